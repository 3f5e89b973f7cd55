"""Adapters of a running server: which are there, which generate now, and how they come and go."""

from .adapters_dir import AdaptersDir
from .host import AdapterHost
from .hosted_adapter import HostedAdapter
from .register import AdapterRegister
from .slots import AdapterSlots

__all__ = ["AdapterHost", "AdapterRegister", "AdapterSlots", "AdaptersDir", "HostedAdapter"]
