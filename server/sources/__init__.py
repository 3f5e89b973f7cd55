"""Where an adapter may come from, and how it gets here: directories, the hub, archives, buckets."""

from .errors import SourceError
from .fetching import check_source, fetch, shown_source
from .rules import SourceRules, source_rules

__all__ = [
    "SourceError",
    "SourceRules",
    "check_source",
    "fetch",
    "shown_source",
    "source_rules",
]
