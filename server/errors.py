"""Everything a request or a start can fail with. Errors hold data; `app` turns them into OpenAI's body.

Types and codes are those that OpenAI sends: most of what a client can mend is an `invalid_request_error`, told apart by its
status and its code.

EndturnError
├── StartError              the server cannot start: the message names the setting and what to do
├── UnreadableServer        `endturn top` cannot read a server's metrics
├── EngineDeadError         the engine is gone; every open stream is told, then the process ends
└── RequestError            the request fails with an HTTP status
    ├── InvalidRequest      400  a field is wrong; `param` names it
    ├── Unauthorized        401
    ├── PermissionDenied    403
    ├── UnknownModel        404
    ├── UnknownPath         404, 405; carries Allow
    ├── BodyTimeout         408  the body came too slowly; the connection is closed
    ├── BodyTooLarge        413
    ├── UnsupportedMedia    415  a body that is not JSON
    ├── RateLimited         429  too much at once; carries Retry-After
    ├── Unavailable         503  not ready, draining or the engine died; carries Retry-After
    └── InternalError       500
        └── MissingLogprobs  the engine left out what the stop head reads
"""

from collections.abc import Collection
from typing import Any


class EndturnError(Exception):
    """The root of every error endturn raises on purpose."""


class StartError(EndturnError):
    """The server cannot start as configured."""


class UnreadableServer(EndturnError):
    """A server whose metrics cannot be read, or that is none of ours."""


class EngineDeadError(EndturnError):
    """The engine cannot answer any more."""


class RequestError(EndturnError):
    """A request that fails with `status`; the fields are those of OpenAI's error object."""

    status = 500
    type = "server_error"

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code
        self.headers: dict[str, str] = {}

    def body(self) -> dict[str, Any]:
        """OpenAI's `{"error": {...}}`."""
        error = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return {"error": error}


class InvalidRequest(RequestError):
    """A field has a wrong value; the message names the field, the value and what to do."""

    status = 400
    type = "invalid_request_error"


class Unauthorized(RequestError):
    """No key, or a wrong one."""

    status = 401
    type = "invalid_request_error"


class PermissionDenied(RequestError):
    """A valid key that may not do this."""

    status = 403
    type = "invalid_request_error"


class UnknownModel(RequestError):
    """No such model; the message lists those there are."""

    status = 404
    type = "invalid_request_error"


class UnknownPath(RequestError):
    """No such path, or not with this method; then `allow` are those there are."""

    type = "invalid_request_error"

    def __init__(self, message: str, *, status: int, allow: Collection[str] = ()) -> None:
        super().__init__(message)
        self.status = status
        if allow:
            self.headers = {"Allow": ", ".join(sorted(allow))}


class AdapterConflict(RequestError):
    """Another change of the same adapter is under way."""

    status = 409
    type = "invalid_request_error"


class BodyTimeout(RequestError):
    """The request body did not come in time."""

    status = 408
    type = "invalid_request_error"

    def __init__(self, message: str) -> None:
        super().__init__(message, code="body_timeout")
        # Its rest may still come, and is no next request.
        self.headers = {"Connection": "close"}


class BodyTooLarge(RequestError):
    """The request body is over the limit."""

    status = 413
    type = "invalid_request_error"


class UnsupportedMedia(RequestError):
    """The request body says that it is something other than JSON."""

    status = 415
    type = "invalid_request_error"


class RateLimited(RequestError):
    """More than this client may ask for at once, or in a while; the type is what there is too much of."""

    status = 429
    type = "requests"

    def __init__(
        self, message: str, *, retry_after_s: int, code: str = "rate_limit_exceeded"
    ) -> None:
        super().__init__(message, code=code)
        self.headers = {"Retry-After": str(retry_after_s)}


class Unavailable(RequestError):
    """Not now; another replica, or this one later, will answer."""

    status = 503
    type = "service_unavailable_error"

    def __init__(self, message: str, *, retry_after_s: int = 5, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.headers = {"Retry-After": str(retry_after_s)}


class InternalError(RequestError):
    """A fault of ours; the message says nothing of the inside."""


class MissingLogprobs(InternalError):
    """A token came without the log-probabilities that were asked for: an error, never "no verdict"."""
