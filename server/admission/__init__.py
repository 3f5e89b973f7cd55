"""Who may come in before work is done for them: a bounded queue up to the first token, and limits on the connection itself."""

from .admission_middleware import AdmissionMiddleware, place_in
from .admission_queue import AdmissionQueue, QueueLimits, QueuePlace
from .bounded_protocol import bounded_protocol

__all__ = [
    "AdmissionMiddleware",
    "AdmissionQueue",
    "QueueLimits",
    "QueuePlace",
    "bounded_protocol",
    "place_in",
]
