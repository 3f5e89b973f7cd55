"""Which fields of a request body no kind of request has: for operators who would rather refuse a misspelt field than ignore it."""

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic.fields import FieldInfo

from ..errors import InvalidRequest
from .request_object import RequestPart


def refuse_unknown_fields(data: Mapping[str, Any], kind: type[RequestPart]) -> None:
    """Look through `data`, and through the objects in it that have a kind of their own.

    Raises:
        InvalidRequest: a field is unknown; `param` is its place, and the message names the nearest one that is known.
    """
    for place, name, known in _unknown(data, kind, ""):
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else "; leave it out"
        raise InvalidRequest(
            f"{place:.200}: there is no such field{hint}", param=place[:200], code="unknown_field"
        )


def parts_in(annotation: Any) -> list[type[RequestPart]]:
    """The kinds of objects that a field with this annotation may hold."""
    if isinstance(annotation, type) and issubclass(annotation, RequestPart):
        return [annotation]
    return [part for inner in get_args(annotation) for part in parts_in(inner)]


def fields_of(kind: type[RequestPart]) -> dict[str, FieldInfo]:
    """The fields of `kind` as they are sent, those of the kind that it continues as among them."""
    continued = {} if kind.continues is None else fields_of(kind.continues)
    return continued | {field.alias or name: field for name, field in kind.model_fields.items()}


def _also_known(kind: type[RequestPart]) -> frozenset[str]:
    continued = frozenset() if kind.continues is None else _also_known(kind.continues)
    return kind.also_known | continued


def _unknown(
    data: Mapping[str, Any], kind: type[RequestPart], place: str
) -> Iterator[tuple[str, str, list[str]]]:
    """Place and name of each unknown field, and what is known there."""
    fields = fields_of(kind)
    also_known = _also_known(kind)
    takes_all = kind.model_config.get("extra") == "allow" and kind.continues is None
    for name, value in data.items():
        if name in fields:
            yield from _unknown_in(value, parts_in(fields[name].annotation), f"{place}{name}")
        elif not takes_all and name not in also_known:
            yield f"{place}{name}", name, list(fields)


def _unknown_in(
    value: Any, parts: list[type[RequestPart]], place: str
) -> Iterator[tuple[str, str, list[str]]]:
    if isinstance(value, list) and parts:
        for index, item in enumerate(value):
            yield from _unknown_in(item, parts, f"{place}[{index}]")
    elif isinstance(value, dict) and parts:
        # Of several kinds it is the one with the fewest unknown fields.
        found = [list(_unknown(value, part, f"{place}.")) for part in parts]
        yield from min(found, key=len)
