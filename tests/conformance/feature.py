"""One row of the table: what a user would look for, the requests that show it, and the check that says what came of them.

A check sees replies only, so it is the same for both servers. It returns a verdict, or None for "works".
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from .exchange import Call, NextCall, Reply

WORKS = "works"
REFUSED = "refused by name"
Check = Callable[[Sequence[Reply]], str | None]
# The model that a row is asked of; "scripted": none, so that unit tests ask it over a scripted engine.
Needs = Literal["demo", "smollm2", "scripted"]


class Differs(Exception):
    """The answer is not what the feature promises; the message says what it is instead."""


def expect(holds: bool, otherwise: str) -> None:
    """Let a check fail with what it found."""
    if not holds:
        raise Differs(otherwise)


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One row. `field` is what a refusal has to name, as a pattern."""

    endpoint: str
    name: str
    calls: tuple[Call | NextCall, ...]
    check: Check
    field: str
    needs: Needs = "demo"

    @property
    def key(self) -> str:
        return f"{self.endpoint}: {self.name}"

    def verdict(self, replies: Sequence[Reply]) -> str:
        """What `replies` say about the feature, in a few words."""
        try:
            return self.check(replies) or WORKS
        except Differs as exc:
            return f"differs: {exc}"


def works(check: Check, field: str) -> Check:
    """`check` where every request was answered; a refusal says so, and whether it names `field`."""

    def checked(replies: Sequence[Reply]) -> str | None:
        for reply in replies:
            if reply.status >= 400:
                return refusal(reply, field)
        return check(replies)

    return checked


def refusal(reply: Reply, field: str) -> str:
    """How a request was refused."""
    if reply.status >= 500:
        return f"fails: HTTP {reply.status}"
    return REFUSED if names(reply, field) else f"refused, {reply.status}"


def names(reply: Reply, field: str) -> bool:
    """Whether an error speaks of the field, where there is one: in its message, or as its param."""
    return (
        not field
        or re.search(rf"(?<![a-z])({field})(?![a-z])", reply.error, re.IGNORECASE) is not None
    )


def refuses(field: str) -> Check:
    """The last request is to be refused, and the error is to name `field`; one that is answered was ignored."""

    def checked(replies: Sequence[Reply]) -> str:
        reply = replies[-1]
        if reply.status < 400:
            return "ignored"
        return refusal(reply, field)

    return checked


def accepts(_: Sequence[Reply]) -> str:
    """Check of a field that is to change nothing: it is enough that the request is answered."""
    return "accepted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Makes the rows of one endpoint: each request is `defaults` and what the feature adds."""

    name: str
    path: str
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def call(self, **fields: Any) -> Call:
        """One request; a field of value `...` is left out."""
        body = {**self.defaults, **fields}
        return Call(path=self.path, body={k: v for k, v in body.items() if v is not ...})

    def feature(
        self,
        name: str,
        check: Check,
        *asked: Mapping[str, Any],
        field: str = "",
        needs: Needs = "demo",
    ) -> Feature:
        """A row that `works` where `check` holds for the replies to one request for each of `asked`."""
        named = field or _first_added(asked)
        return Feature(
            endpoint=self.name,
            name=name,
            calls=tuple(self.call(**fields) for fields in asked or ({},)),
            check=works(check, named),
            field=named,
            needs=needs,
        )

    def refused(
        self,
        name: str,
        *asked: Mapping[str, Any],
        field: str = "",
        needs: Needs = "scripted",
    ) -> Feature:
        """A row whose request is to be refused with an error that names the field."""
        named = field or _first_added(asked)
        return Feature(
            endpoint=self.name,
            name=name,
            calls=tuple(self.call(**fields) for fields in asked),
            check=refuses(named),
            field=named,
            needs=needs,
        )


def _first_added(asked: Sequence[Mapping[str, Any]]) -> str:
    """The field that a feature is about: the first one that it sends."""
    return next((name for fields in reversed(asked) for name in fields), "model")
