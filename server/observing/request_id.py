"""The id of a request: the client's `X-Request-Id` where it can be used, else one made here. Knows nothing of ASGI or the engine."""

import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

REQUEST_ID_HEADER = "X-Request-Id"
_HEADER_NAME = REQUEST_ID_HEADER.lower().encode()
# Visible ASCII: such an id can neither break a line nor a word of a log.
_USABLE = re.compile(rb"[\x21-\x7e]{1,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestId:
    """`value` is what the client sees; `engine_id` begins with it and is never that of another request."""

    value: str
    engine_id: str


def request_id_of(headers: Iterable[tuple[bytes, bytes]]) -> RequestId:
    """The id of the request with these headers; an id of other than 1 to 128 visible ASCII characters is replaced."""
    given = next((value for name, value in headers if name == _HEADER_NAME), b"")
    made = uuid.uuid4().hex
    if _USABLE.fullmatch(given) is None:
        return RequestId(value=made, engine_id=made)
    value = given.decode("ascii")
    return RequestId(value=value, engine_id=f"{value}-{made[:16]}")
