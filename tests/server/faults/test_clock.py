"""The wall clock jumps by a day, either way: nobody is locked out for longer than a minute, and nothing else notices.

Durations are measured on the monotonic clock everywhere; the rates of API keys are what `limits` reads the wall clock for.
"""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from server.errors import RateLimited
from server.prompt import PromptRenderer
from server.tenancy import Tenants, tenants
from server.tenancy.tenant import Tenant, digest_of
from tests.server.running import running
from tests.server.test_keys import chat, key_file

A_DAY_S = 24 * 3600
PER_MINUTE = 3
Jump = Callable[[float], None]


@pytest.fixture
def jump(monkeypatch: pytest.MonkeyPatch) -> Jump:
    """Sets the wall clock off by so many seconds."""
    real, off_s = time.time, [0.0]
    monkeypatch.setattr(time, "time", lambda: real() + off_s[0])

    def jump(seconds: float) -> None:
        off_s[0] += seconds

    return jump


@pytest.mark.parametrize("seconds", [A_DAY_S, -A_DAY_S, 7, -7])
async def test_a_key_at_its_limit(
    renderer: PromptRenderer, tmp_path: Path, jump: Jump, seconds: float
) -> None:
    path = key_file(
        tmp_path / "keys",
        {"name": "a", "key": "ka", "requests_per_minute": PER_MINUTE, "tokens_per_minute": 500},
    )
    async with running(renderer, api_key_file=path) as run:
        for moved_s in (0, seconds, -seconds):
            jump(moved_s)
            replies = [await chat(run, "ka") for _ in range(2 * PER_MINUTE)]
            assert {reply.status_code for reply in replies} <= {200, 429}
            assert replies[-1].status_code == 429, "the limit is gone"
            for reply in replies:
                if reply.status_code == 429:
                    assert 1 <= int(reply.headers["retry-after"]) <= 60
                else:
                    assert int(reply.headers["x-ratelimit-reset-requests"].rstrip("s")) <= 60
            # What Retry-After promises; the clock goes on from where it is.
            jump(60 + int(replies[-1].headers["retry-after"]))
            assert (await chat(run, "ka")).status_code == 200


def test_a_jump_while_the_limit_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limiter read the clock before it jumped back, we after."""
    real = time.time
    tenant = Tenant(name="a", sha256=digest_of("ka"), requests_per_minute=1)
    keys = Tenants([tenant])
    keys.enter(tenant)
    for off_s in (-A_DAY_S, A_DAY_S):
        monkeypatch.setattr(tenants, "time", SimpleNamespace(time=lambda o=off_s: real() + o))
        with pytest.raises(RateLimited) as told:
            keys.enter(tenant)
        assert 1 <= int(told.value.headers["Retry-After"]) <= 60


@pytest.mark.parametrize("seconds", [A_DAY_S, -A_DAY_S])
async def test_open_requests_and_the_queue(
    renderer: PromptRenderer, jump: Jump, seconds: float
) -> None:
    """Deadline, stall timeout, drain rate and adapter turns: a day is over in none of them."""
    async with running(
        renderer, deadline_s=30.0, stall_timeout_s=30.0, max_requests=2, body_timeout_s=30.0
    ) as run:
        from tests.fakes import EOS, delta  # noqa: PLC0415

        run.engine.enqueue(delta("wh"), 0.5, delta("ole"), delta([EOS], "stop"))
        asking = asyncio.create_task(run.chat())
        await run.until(lambda: run.engine.open)
        jump(seconds)
        reply = await asking
        assert reply.json()["choices"][0]["message"]["content"] == "whole"
        for _ in range(3):
            assert (await run.chat()).status_code == 200


async def test_a_key_file_from_another_day_is_read(
    renderer: PromptRenderer, tmp_path: Path, jump: Jump
) -> None:
    path = key_file(tmp_path / "keys", {"name": "a", "key": "ka"})
    async with running(renderer, api_key_file=path) as run:
        assert run.server.keys is not None
        following = asyncio.create_task(run.server.keys.follow_file(interval_s=0.01))
        for number, seconds in enumerate((A_DAY_S, -2 * A_DAY_S)):
            jump(seconds)
            key = f"kb-{number}"
            new = key_file(tmp_path / "new", {"name": "b", "key": key})
            os.utime(new, (time.time(), time.time()))
            new.rename(path)
            async with asyncio.timeout(10):
                while (await chat(run, key)).status_code != 200:
                    await asyncio.sleep(0.02)
        following.cancel()
