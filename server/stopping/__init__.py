"""Pure objects that watch a stream of text and say where it ends: `feed(delta)` and `flush()`, no engine, no HTTP."""

from .matcher import StopMatch, StopMatcher, StopText

__all__ = ["StopMatch", "StopMatcher", "StopText"]
