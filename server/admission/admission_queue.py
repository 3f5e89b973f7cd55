"""The bounded queue before the engine. Knows nothing of HTTP, of texts or of the engine.

A request is queued from its admission to its first token, or its end; the tokens of each of its prompts from rendering to that
prompt's first token. Nothing waits here: what finds no room is refused, what finds room goes on and waits in the engine.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import RateLimited, Unavailable
from .drain_rate import DrainRate
from .queue_counts import Holder, Load, QueueCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLimits:
    """What the server holds at once. `max_share`: of the queue, for one tenant and for one model where there are others."""

    max_requests: int
    max_queued_requests: int
    max_queued_tokens: int
    max_share: float


class AdmissionQueue:
    """Gives places while there is room; all counts are 0 again when every place was left."""

    def __init__(self, limits: QueueLimits, rate: DrainRate | None = None) -> None:
        self.limits = limits
        self.rate = DrainRate() if rate is None else rate
        self.counts = QueueCounts()
        self.num_open = 0

    def enter(self, tenant: str | None = None, *, has_others: bool = False) -> "QueuePlace":
        """A place for a request that is to generate something.

        Args:
            tenant: whose request it is; None where nobody is told apart.
            has_others: there are other tenants, so this one may not have all of the queue.

        Raises:
            RateLimited: the tenant has its share of the queue.
            Unavailable: the server is full.
        """
        holder = None if tenant is None else Holder("tenant", tenant)
        if holder is not None and has_others:
            self.refuse_over_share(holder)
        num_queued = self.counts.total.num_requests
        if num_queued >= self.limits.max_queued_requests:
            raise self._full(f"{num_queued:,} requests wait for their first token", "queue_full")
        place = self.enter_unqueued()
        place.queue(holder, is_shared=has_others)
        return place

    def enter_unqueued(self) -> "QueuePlace":
        """A place for a request that generates nothing: it is open, and not in the queue.

        Raises:
            Unavailable: the server is full.
        """
        if self.num_open >= self.limits.max_requests:
            raise self._full(f"{self.num_open:,} requests are open", "server_full")
        return QueuePlace(self)

    def refuse_over_share(self, holder: Holder) -> None:
        """Refuse a holder that has its share of the requests; one is always allowed.

        Raises:
            RateLimited: it has.
        """
        num_held = self.counts.of(holder).num_requests
        most = max(1, int(self.limits.max_queued_requests * self.limits.max_share))
        if num_held >= most:
            raise self._over_share(holder, f"{num_held:,} requests wait", f"{most:,}")

    def refuse_tokens(self, num_tokens: int, shared: Sequence[Holder]) -> None:
        """Refuse prompts for which there is no room. Where no other prompt waits, any fits: else a large one never would.

        Raises:
            RateLimited: one of `shared` would have more than its share.
            Unavailable: the server is full.
        """
        limit = self.limits.max_queued_tokens
        most = int(limit * self.limits.max_share)
        for holder in shared if most < limit else ():
            num_held = self.counts.of(holder).num_tokens
            if num_held and num_held + num_tokens > most:
                told = f"prompts of {num_held:,} tokens wait, and this one has {num_tokens:,}"
                raise self._over_share(holder, told, f"{most:,}")
        num_queued = self.counts.total.num_tokens
        if num_queued and num_queued + num_tokens > limit:
            raise self._full(
                f"prompts of {num_queued:,} tokens wait, this one has {num_tokens:,}, and the limit is {limit:,}",
                "queue_tokens_full",
            )

    def _full(self, problem: str, code: str) -> Unavailable:
        wait_s = self.rate.wait_s(self.counts.total.num_requests)
        message = f"the server is full: {problem}; try again in {wait_s} s"
        return Unavailable(message, retry_after_s=wait_s, code=code)

    def _over_share(self, holder: Holder, problem: str, most: str) -> RateLimited:
        whose = "this key" if holder.kind == "tenant" else f"the model {holder.name!r}"
        wait_s = self.rate.wait_s(self.counts.total.num_requests)
        return RateLimited(
            f"{whose} has its share of the queue: {problem}, of at most {most}; try again in {wait_s} s",
            retry_after_s=wait_s,
            code=f"{holder.kind}_queue_full",
        )


class QueuePlace:
    """One open request. It is counted out once, however often its end is told."""

    def __init__(self, queue: AdmissionQueue) -> None:
        self._queue = queue
        self._is_open = True
        self._is_queued = False
        self._holders: list[Holder] = []
        self._shared: list[Holder] = []
        # Tokens of each prompt that has no token of an answer yet, by the prompt's number.
        self._prompts: dict[int, int] = {}
        self._choices_each = 1
        queue.num_open += 1

    def queue(self, tenant: Holder | None, *, is_shared: bool) -> None:
        """Count the request as one that waits."""
        self._is_queued = True
        self._queue.counts.add(Load(num_requests=1), ())
        if tenant is not None:
            self._hold(tenant, is_shared=is_shared)

    def name_model(self, name: str, *, has_others: bool) -> None:
        """Count the request for its model, now that its body was read.

        Args:
            name: a name of the catalog.
            has_others: there are other models, so this one may not have all of the queue.

        Raises:
            RateLimited: the model has its share of the queue.
        """
        holder = Holder("model", name)
        if not self._is_queued or holder in self._holders:
            return
        if has_others:
            self._queue.refuse_over_share(holder)
        self._hold(holder, is_shared=has_others)

    def take_prompts(self, lengths: Sequence[int], choices_each: int) -> None:
        """Count the rendered prompts, of `lengths` tokens; the answers to each have `choices_each` indices in turn.

        Raises:
            RateLimited: the tenant or the model has its share of the queue.
            Unavailable: the server is full.
        """
        if not self._is_queued:
            return
        self._queue.refuse_tokens(sum(lengths), self._shared)
        self._prompts = dict(enumerate(lengths))
        self._choices_each = choices_each
        self._queue.counts.add(Load(num_tokens=sum(lengths)), self._holders)

    def note_first_token(self, index: int) -> None:
        """The choice with this index got its first token: its prompt waits no more, and the request neither."""
        num_tokens = self._prompts.pop(index // self._choices_each, 0)
        num_requests = 0
        if self._is_queued:
            self._is_queued, num_requests = False, 1
            self._queue.rate.note()
        self._queue.counts.add(-Load(num_requests, num_tokens), self._holders)

    def leave(self) -> None:
        """The request is over."""
        if not self._is_open:
            return
        self._queue.counts.add(-self._load, self._holders)
        self._queue.num_open -= 1
        self._is_open = self._is_queued = False
        self._prompts = {}

    @property
    def _load(self) -> Load:
        return Load(int(self._is_queued), sum(self._prompts.values()))

    def _hold(self, holder: Holder, *, is_shared: bool) -> None:
        self._queue.counts.give(self._load, [holder])
        self._holders.append(holder)
        if is_shared:
            self._shared.append(holder)
