"""An archive over HTTP, through fsspec: as it is stored, once, and only from where it may come.

Every request of the way, redirects among them, passes a gate before a connection is made. ~/.netrc and the proxy variables of
the server's environment are honoured; cookies are not kept.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
from aiohttp.http import HttpProcessingError
from fsspec.asyn import sync
from fsspec.implementations.http import HTTPFileSystem

from .address import Address, parse_address
from .budget import Reads
from .errors import SourceError
from .rules import SourceRules

MAX_REDIRECTS = 5
# What is stored is wanted: a checksum is of that, and what it unpacks to is counted elsewhere.
_HEADERS = {"Accept-Encoding": "identity", "Accept": "*/*"}


@contextmanager
def opened_over_http(
    address: Address, rules: SourceRules, is_allowed: Callable[[Address], bool]
) -> Iterator[Reads]:
    """The body at `address`, to be read once; nothing of it is left open.

    Raises:
        SourceError: the server refuses, is silent, redirects to where it may not, or breaks off; also while it is read.
    """
    made: list[aiohttp.ClientSession] = []

    async def new_session(**_: Any) -> aiohttp.ClientSession:
        made.append(_session(rules, is_allowed))
        return made[-1]

    files = HTTPFileSystem(encoded=True, get_client=new_session, skip_instance_cache=True)
    try:
        # A size keeps fsspec from asking for it; with block size 0 the body is one stream.
        with files.open(
            address.url,
            block_size=0,
            size=1,
            headers=_HEADERS,
            max_redirects=MAX_REDIRECTS,
        ) as body:
            _refuse_large(body.r.headers.get("Content-Length"), rules.max_bytes)
            yield _Body(body, rules.stall_timeout_s)
    except (aiohttp.ClientError, OSError, ValueError, RuntimeError) as exc:
        # No chain: these hold the whole address, and its query may be a signature.
        raise SourceError(_reason(exc, rules)) from None
    finally:
        for session in made:
            sync(files.loop, session.close)


class _Body:
    """The stream of a response; a read that does not return is given up.

    aiohttp's own timeout ends with the connection: after a chunk that is none it never wakes who reads.
    """

    def __init__(self, stream: Any, timeout_s: float) -> None:
        self._stream = stream
        self._timeout_s = timeout_s

    def read(self, size: int, /) -> bytes:
        block: bytes = self._stream.read(size, timeout=self._timeout_s)
        return block


def _session(rules: SourceRules, is_allowed: Callable[[Address], bool]) -> aiohttp.ClientSession:
    async def gate(
        request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        _refuse_elsewhere(str(request.url), is_allowed)
        return await send(request)

    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(
            # The budget of the copy ends first, and says so.
            total=rules.total_timeout_s + rules.stall_timeout_s,
            connect=rules.connect_timeout_s,
            sock_connect=rules.connect_timeout_s,
            sock_read=rules.stall_timeout_s,
        ),
        middlewares=(gate,),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=True,
    )


def _refuse_elsewhere(url: str, is_allowed: Callable[[Address], bool]) -> None:
    try:
        address = parse_address(url.partition("#")[0])
    except SourceError as exc:
        raise SourceError(f"it leads to an address that cannot be used: {exc}") from None
    if not is_allowed(address):
        raise SourceError(
            f"it leads to {address.shown}, which is not allowed; if it should be, add --allow-source with a prefix of it"
        )


def _refuse_large(length: str | None, max_bytes: int) -> None:
    if length is not None and length.isdecimal() and int(length) > max_bytes:
        raise SourceError(
            f"the archive has {int(length):,} bytes, over the {max_bytes:,} of --max-adapter-bytes"
        )


def _reason(exc: Exception, rules: SourceRules) -> str:
    """What happened, without the address; of fsspec's and aiohttp's errors several quote it."""
    match exc:
        case FileNotFoundError():
            return "the server has not got it (404)"
        case aiohttp.TooManyRedirects():
            return f"it is redirected more than {MAX_REDIRECTS} times"
        case aiohttp.ClientResponseError() if isinstance(exc.__cause__, HttpProcessingError):
            return "what the server answers is no HTTP"
        case aiohttp.ClientResponseError():
            return f"the server answers with status {exc.status}"
        case aiohttp.ServerTimeoutError() | TimeoutError():
            return (
                f"the server is silent: no connection in {rules.connect_timeout_s:g} seconds, "
                f"or no byte in {rules.stall_timeout_s:g}"
            )
        case aiohttp.ClientConnectorError():
            return f"no connection ({exc})"
        case aiohttp.ClientPayloadError() | aiohttp.ServerDisconnectedError() | RuntimeError():
            # RuntimeError: what aiohttp says to who reads after the connection is gone.
            return "the server broke off before the end"
        case OSError() if exc.strerror:
            return exc.strerror
        case _:
            return f"it cannot be fetched ({type(exc).__name__})"
