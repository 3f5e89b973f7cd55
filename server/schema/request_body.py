"""Bytes -> a request object, or an error that names the field. Knows no kind of request."""

from typing import Any, TypeVar

import orjson
from pydantic import ValidationError

from adapters.bounded_model import shown

from ..errors import InvalidRequest
from .body_objects import refuse_many_objects
from .request_object import RequestPart
from .unknown_fields import parts_in, refuse_unknown_fields

Body = TypeVar("Body", bound=RequestPart)


def parse_body(raw: bytes, kind: type[Body], *, unknown_fields: bool = True) -> Body:
    """The request in `raw`.

    Args:
        unknown_fields: whether it may have fields that nothing here knows; they are ignored.

    Raises:
        InvalidRequest: it is not UTF-8 JSON of that shape; `param` names the first field that is wrong.
    """
    try:
        data = orjson.loads(raw)
    except orjson.JSONDecodeError as exc:
        raise InvalidRequest(f"the body is not valid JSON: {exc}", code="invalid_json") from exc
    if not isinstance(data, dict):
        raise InvalidRequest("the body must be a JSON object", code="invalid_json")
    refuse_many_objects(raw, data)
    if not unknown_fields:
        refuse_unknown_fields(data, kind)
    return as_request(data, kind)


def as_request(data: dict[str, Any], kind: type[Body]) -> Body:
    """`data` as a request of that kind.

    Raises:
        InvalidRequest: it is not of that shape; `param` names the first field that is wrong.
    """
    try:
        return kind.model_validate(data)
    except ValidationError as exc:
        raise _as_invalid_request(exc, _field_names(kind)) from exc


def _as_invalid_request(exc: ValidationError, field_names: frozenset[str]) -> InvalidRequest:
    # A union reports each of its branches; the branch that came furthest into the value says most.
    first = max(exc.errors(include_url=False), key=lambda error: len(error["loc"]))
    if len({error["loc"][:1] for error in exc.errors(include_url=False)}) > 1:
        first = exc.errors(include_url=False)[0]
    names = [part for part in first["loc"] if isinstance(part, int) or part in field_names]
    path = (f"[{name}]" if isinstance(name, int) else f".{name}" for name in names)
    param = "".join(path).lstrip(".")
    problem = first["msg"].removeprefix("Value error, ")
    if first["type"] == "missing":
        message = f"{param}: this field is required"
    else:
        message = f"{param or 'body'}: {problem} (found {shown(first['input'], 100)})"
    return InvalidRequest(message, param=param or None)


def _field_names(kind: type[RequestPart]) -> frozenset[str]:
    """The names of the fields of `kind` and of every object in it; the rest of an error's place are branches of unions."""
    names: set[str] = set()
    for name, field in kind.model_fields.items():
        names.add(field.alias or name)
        for part in parts_in(field.annotation):
            names |= _field_names(part)
    return frozenset(names)
