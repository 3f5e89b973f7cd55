"""Addresses of archives and buckets, read strictly: what two parsers could read in two ways is refused.

One reading serves both an adapter's source and a prefix of the allow-list, so a prefix covers exactly the addresses that are
requested. A prefix is compared by scheme, host, port and whole path segments, never as text.
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote

from .errors import SourceError

DEFAULT_PORTS = {"http": 80, "https": 443}
BUCKETS = frozenset({"s3", "gs"})
HUB = "hf"
SCHEMES = (*DEFAULT_PORTS, *sorted(BUCKETS), HUB)
MAX_CHARS = 4096

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_HOST = re.compile(r"(?!.*\.\.)[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
# Not among them: what shells, servers and proxies are known to read in several ways (\ ; and, in a path, encoded / and %).
_HTTP_PATH = re.compile(r"(?:[A-Za-z0-9/._~!$&'()*+,=:@-]|%[0-9A-Fa-f]{2})*")
_KEY_PATH = re.compile(r"[A-Za-z0-9/._~!$&'()+,=:@ -]*")
_QUERY = re.compile(r"(?:[A-Za-z0-9/._~!$&'()*+,;=:@?-]|%[0-9A-Fa-f]{2})*")
_CHECKSUM = re.compile(r"sha256=([0-9A-Fa-f]{64})")
_HIDDEN_IN_SEGMENT = re.compile(r"[\x00-\x1f\x7f/\\%]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One address. `segments`: its path, decoded; `path` and `query` as they are sent; `sha256`: of the archive, lower case."""

    scheme: str
    host: str
    port: int | None = None
    segments: tuple[str, ...] = ()
    path: str = ""
    query: str = ""
    sha256: str | None = None

    @property
    def url(self) -> str:
        """What is requested; its query may hold a signature, so it never goes into a message."""
        return self.shown + (f"?{self.query}" if self.query else "")

    @property
    def shown(self) -> str:
        """The address for people: without query and checksum."""
        port = "" if self.port in (None, DEFAULT_PORTS.get(self.scheme)) else f":{self.port}"
        return f"{self.scheme}://{self.host}{port}{self.path}"

    @property
    def origin(self) -> tuple[str, str, int | None]:
        """Scheme, host and port."""
        return self.scheme, self.host, self.port

    def covers(self, other: "Address") -> bool:
        """Whether `other` is this address or lies below it."""
        if self.scheme == other.scheme == HUB and not self.host:
            return True
        below = other.segments[: len(self.segments)] == self.segments
        return self.origin == other.origin and below


def scheme_of(text: str) -> str | None:
    """What stands before `://`, in lower case; None where `text` is no address."""
    match = _SCHEME.match(text)
    return match[1].lower() if match else None


def parse_address(text: str) -> Address:
    """Read the address of an archive, a bucket's prefix, or a repository of the hub.

    Raises:
        SourceError: it is none, or can be read in more than one way.
    """
    scheme = scheme_of(text)
    if scheme not in SCHEMES:
        known = ", ".join(f"{name}://" for name in SCHEMES)
        raise SourceError(f"no such kind of source; there are directories, hub ids and {known}")
    if len(text) > MAX_CHARS:
        raise SourceError(f"an address has at most {MAX_CHARS:,} characters")
    place, sharp, fragment = text.partition("://")[2].partition("#")
    checksum = _CHECKSUM.fullmatch(fragment)
    if sharp and checksum is None:
        raise SourceError("after # only a checksum is known: #sha256= and 64 hexadecimal digits")
    place, mark, query = place.partition("?")
    if mark and (scheme not in DEFAULT_PORTS or not _QUERY.fullmatch(query)):
        raise SourceError(
            "what follows ? cannot be used; quote it as in a URL, http and https only"
        )
    netloc, slash, path = place.partition("/")
    host, port = _host(scheme, netloc)
    return Address(
        scheme=scheme,
        host=host,
        port=port,
        segments=_segments(scheme, path),
        path=slash + path,
        query=query,
        sha256=checksum[1].lower() if checksum else None,
    )


def parse_prefix(text: str) -> Address:
    """Read a prefix of the allow-list: `https://host/path`, `s3://bucket/prefix`, `hf://organisation`, or `hf://` for the hub.

    Raises:
        SourceError: it is none.
    """
    if scheme_of(text) == HUB and text.partition("://")[2] == "":
        return Address(scheme=HUB, host="")
    address = parse_address(text)
    if address.query or address.sha256:
        raise SourceError("a prefix has neither ? nor #")
    return address


def _host(scheme: str, netloc: str) -> tuple[str, int | None]:
    if "@" in netloc:
        raise SourceError(
            "a name or password in the address is refused; use a signed address, or ~/.netrc on the server"
        )
    host, colon, port = netloc, "", ""
    if not netloc.endswith("]"):
        host, colon, port = netloc.rpartition(":") if ":" in netloc else (netloc, "", "")
    if not _HOST.fullmatch(host):
        raise SourceError("it names no host that can be read; international names are written xn--")
    if scheme not in DEFAULT_PORTS:
        if colon:
            raise SourceError("a bucket or an organisation has no port")
        return host, None
    if colon and (not _PORT.fullmatch(port) or int(port) > 65535):
        raise SourceError("its port is no number from 1 to 65535")
    return host.lower(), int(port) if colon else DEFAULT_PORTS[scheme]


def _segments(scheme: str, path: str) -> tuple[str, ...]:
    allowed = _HTTP_PATH if scheme in DEFAULT_PORTS else _KEY_PATH
    if not allowed.fullmatch(path):
        raise SourceError("a character of its path cannot be used; in http addresses quote it")
    raw = path.removesuffix("/").split("/") if path.strip("/") else []
    try:
        decoded = tuple(
            unquote(segment, errors="strict") if scheme in DEFAULT_PORTS else segment
            for segment in raw
        )
    except UnicodeDecodeError as exc:
        raise SourceError("its path is not quoted UTF-8") from exc
    for segment in decoded:
        if segment in ("", ".", "..") or _HIDDEN_IN_SEGMENT.search(segment):
            raise SourceError("its path holds //, . or .., or an encoded /, \\ or %")
    if path.strip("/") != path.removesuffix("/"):
        raise SourceError("its path holds //")
    return decoded
