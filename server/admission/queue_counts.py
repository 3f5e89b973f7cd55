"""Numbers of the queue: how many requests and prompt tokens wait, in all and for each tenant and model. Pure; knows no limit."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose requests are counted together; `name` is of the key file or the catalog, never what a client made up."""

    kind: Literal["tenant", "model"]
    name: str


@dataclass(frozen=True, slots=True)
class Load:
    """What waits: requests without a first token, and the tokens of their rendered prompts."""

    num_requests: int = 0
    num_tokens: int = 0

    def __add__(self, other: "Load") -> "Load":
        return Load(self.num_requests + other.num_requests, self.num_tokens + other.num_tokens)

    def __neg__(self) -> "Load":
        return Load(-self.num_requests, -self.num_tokens)


NOTHING = Load()


class QueueCounts:
    """A holder that has nothing is not remembered."""

    def __init__(self) -> None:
        self.total = NOTHING
        self._held: dict[Holder, Load] = {}

    def of(self, holder: Holder) -> Load:
        """What `holder` has in the queue."""
        return self._held.get(holder, NOTHING)

    def add(self, load: Load, holders: Iterable[Holder]) -> None:
        """Count `load` in all, and for each of `holders`."""
        self.total += load
        self.give(load, holders)

    def give(self, load: Load, holders: Iterable[Holder]) -> None:
        """Count what is in the total already for `holders` too."""
        for holder in holders:
            held = self.of(holder) + load
            if held == NOTHING:
                self._held.pop(holder, None)
            else:
                self._held[holder] = held

    @property
    def holders(self) -> frozenset[Holder]:
        """Everyone who has something in the queue."""
        return frozenset(self._held)
