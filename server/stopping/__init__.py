"""Pure objects that watch a stream of text and say where it ends: `feed(delta)` and `flush()`, no engine, no HTTP."""

from .head_watch import HeadWatch
from .loops import LoopFound, LoopGuard, LoopSettings
from .matcher import StopMatch, StopMatcher, StopText

__all__ = [
    "HeadWatch",
    "LoopFound",
    "LoopGuard",
    "LoopSettings",
    "StopMatch",
    "StopMatcher",
    "StopText",
]
