"""What sources may be used, and how much they may take: the operator's settings in one value.

With an allow-list by host, which machines a host name leads to is the operator's choice: an allowed name that resolves to an
address inside the network is reached, and so is whatever an allowed server redirects to, inside the list. Nothing else is:
neither a metadata service nor a neighbour, unless a prefix names it.
"""

from dataclasses import dataclass
from pathlib import Path

from ..settings import Settings
from .address import Address, parse_prefix
from .errors import SourceError


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRules:
    """Where adapters may come from that the admin API names; the operator's own command line is held to the limits only.

    Args:
        roots: directories that local paths have to lie in, links followed.
        allowed: prefixes of addresses.
        max_bytes: of a download, and of what is unpacked from it.
        connect_timeout_s, stall_timeout_s: until a connection stands, and without a byte; total_timeout_s: for all of it.
    """

    roots: tuple[Path, ...] = ()
    allowed: tuple[str, ...] = ()
    max_bytes: int = 4 << 30
    cache_dir: Path
    connect_timeout_s: float = 10.0
    stall_timeout_s: float = 60.0
    total_timeout_s: float = 3600.0

    def __post_init__(self) -> None:
        for text in self.allowed:
            try:
                parse_prefix(text)
            except SourceError as exc:
                raise SourceError(f"--allow-source {_shown_prefix(text)}: {exc}") from exc

    def covers(self, address: Address) -> bool:
        """Whether a prefix of the allow-list covers the address."""
        return any(parse_prefix(text).covers(address) for text in self.allowed)


def source_rules(settings: Settings) -> SourceRules:
    """The rules that the settings make.

    Raises:
        SourceError: a prefix of --allow-source cannot be read.
    """
    return SourceRules(
        roots=settings.adapter_root,
        allowed=settings.allow_source,
        max_bytes=settings.max_adapter_bytes,
        cache_dir=settings.cache_dir,
    )


def _shown_prefix(text: str) -> str:
    return "(with an @)" if "@" in text else text
