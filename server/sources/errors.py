"""What goes wrong with a source."""

from ..errors import StartError


class SourceError(StartError):
    """A source that may not be used, or cannot be had; the message names it and what to do, never a credential in it."""
