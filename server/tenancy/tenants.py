"""Who is asking, and whether they may now: keys looked up in constant time, requests, tokens and concurrency counted.

Rates are counted by the library `limits` in a sliding window of a minute, in this process: a server of two replicas lets
through twice as much. Tokens of a prompt count before it is answered, those of the answer when it is over: a long answer is
never cut by them, it fills the minute for those that follow.
"""

import hmac
import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from ..errors import RateLimited
from .tenant import Tenant, digest_of


def plain_keys(keys: Sequence[str]) -> list[Tenant]:
    """Keys given by themselves: each may do everything."""
    return [
        Tenant(name=f"api-key-{number}", sha256=digest_of(key), admin=True)
        for number, key in enumerate(dict.fromkeys(keys), 1)
    ]


@dataclass(frozen=True, slots=True)
class Admission:
    """A request let in; `headers` are OpenAI's `x-ratelimit-*` for its response."""

    tenant: Tenant
    headers: dict[str, str]


class Tenants:
    """The keys of one server."""

    def __init__(self, tenants: Sequence[Tenant]) -> None:
        self._tenants = tuple(tenants)
        self._digests = [tenant.sha256.encode() for tenant in self._tenants]
        self._open: Counter[str] = Counter()
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    def replace(self, tenants: Sequence[Tenant]) -> None:
        """Other keys from now on; what was counted under a name stays counted."""
        self._tenants = tuple(tenants)
        self._digests = [tenant.sha256.encode() for tenant in self._tenants]

    @property
    def number(self) -> int:
        """How many keys there are."""
        return len(self._tenants)

    def find(self, key: str) -> Tenant | None:
        """Whose key this is; every entry is compared, so the time does not tell how near a guess was."""
        digest = digest_of(key).encode()
        found = None
        for tenant, theirs in zip(self._tenants, self._digests, strict=True):
            if hmac.compare_digest(digest, theirs):
                found = tenant
        return found

    def enter(self, tenant: Tenant) -> Admission:
        """Count a request in; `leave` must follow.

        Raises:
            RateLimited: too many requests at once, or in this minute, or too many tokens in it.
        """
        if tenant.max_concurrent is not None and self._open[tenant.name] >= tenant.max_concurrent:
            raise RateLimited(
                f"this key has {tenant.max_concurrent} requests open, which is its limit; wait for one to end",
                retry_after_s=1,
                code="concurrency_limit_exceeded",
            )
        if tenant.tokens_per_minute is not None:
            self._refuse_over(tenant, "tokens", tenant.tokens_per_minute, cost=0)
        if tenant.requests_per_minute is not None:
            self._refuse_over(tenant, "requests", tenant.requests_per_minute, cost=1)
        self._open[tenant.name] += 1
        return Admission(tenant, self._headers(tenant))

    def leave(self, tenant: Tenant) -> None:
        """The request is over."""
        self._open[tenant.name] -= 1
        if not self._open[tenant.name]:
            del self._open[tenant.name]

    def take_prompt(self, tenant: Tenant, num_tokens: int) -> None:
        """Count a prompt.

        Raises:
            RateLimited: this minute has no room for it; one that is larger than the limit never fits.
        """
        if tenant.tokens_per_minute is not None:
            self._refuse_over(tenant, "tokens", tenant.tokens_per_minute, cost=num_tokens)

    def note_answer(self, tenant: Tenant, num_tokens: int) -> None:
        """Count what was generated, also where that is more than is left."""
        if tenant.tokens_per_minute is None or not num_tokens:
            return
        item = RateLimitItemPerMinute(tenant.tokens_per_minute)
        left = self._limiter.get_window_stats(item, tenant.name, "tokens").remaining
        self._limiter.hit(item, tenant.name, "tokens", cost=min(num_tokens, left))

    def _refuse_over(self, tenant: Tenant, what: str, limit: int, *, cost: int) -> None:
        item = RateLimitItemPerMinute(limit)
        if cost > limit:
            raise RateLimited(
                f"{cost} {what} are more than this key's limit of {limit} a minute: send less",
                retry_after_s=60,
                code="rate_limit_exceeded",
            )
        there_is_room = self._limiter.test(item, tenant.name, what, cost=max(1, cost))
        if there_is_room and cost:
            there_is_room = self._limiter.hit(item, tenant.name, what, cost=cost)
        if not there_is_room:
            seconds = self._seconds_left(item, tenant, what)
            raise RateLimited(
                f"this key is over its limit of {limit} {what} a minute; try again in {seconds} s",
                retry_after_s=seconds,
                code="rate_limit_exceeded",
            )

    def _seconds_left(self, item: RateLimitItemPerMinute, tenant: Tenant, what: str) -> int:
        reset_s = self._limiter.get_window_stats(item, tenant.name, what).reset_time
        # A window is a minute; a clock that jumped since the limiter read it would say a day.
        return min(60, max(1, math.ceil(reset_s - time.time())))

    def _headers(self, tenant: Tenant) -> dict[str, str]:
        headers = {}
        for what, limit in (
            ("requests", tenant.requests_per_minute),
            ("tokens", tenant.tokens_per_minute),
        ):
            if limit is None:
                continue
            item = RateLimitItemPerMinute(limit)
            left = self._limiter.get_window_stats(item, tenant.name, what).remaining
            headers[f"x-ratelimit-limit-{what}"] = str(limit)
            headers[f"x-ratelimit-remaining-{what}"] = str(left)
            headers[f"x-ratelimit-reset-{what}"] = f"{self._seconds_left(item, tenant, what)}s"
        return headers
