"""Clients of the soak: good and bad requests, streams that are left, adapters that come and go; each answered or told why."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2 as httpx

from tests.bench.runaway import questions

# Names that are loaded, replaced and unloaded all the time.
COMING = ("coming-0", "coming-1", "coming-2", "coming-3")
TIMEOUT_S = 300
# What may be said to a request for an adapter that comes and goes.
TOLD = {400, 404, 409, 429, 503}


@dataclass(slots=True)
class Outcomes:
    """How requests ended, by what they were; and what should not have been."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


async def drive(
    url: str, *, clients: int, until_s: float, sources: Sequence[Path], refused: Path, seed: int = 0
) -> Outcomes:
    """Ask, and change adapters, until the monotonic clock shows `until_s`; then let everything end.

    Args:
        sources: directories of adapters that can be served; `refused`: of one that cannot.
    """
    outcomes = Outcomes()
    asked = questions(300)
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=url, timeout=TIMEOUT_S, limits=limits) as http:

        async def repeat(number: int, act: Callable[[random.Random], Awaitable[str]]) -> None:
            rng = random.Random(seed * 1000 + number)
            while time.monotonic() < until_s:
                try:
                    outcomes.counts[await act(rng)] += 1
                except (httpx.HTTPError, KeyError, ValueError, AssertionError) as exc:
                    outcomes.wrong.append(f"{type(exc).__name__}: {exc!s:.300}")

        async def ask(rng: random.Random) -> str:
            return await _ask(http, rng, asked)

        async def change(rng: random.Random) -> str:
            return await _change(http, rng, sources, refused)

        acts = [*[ask] * clients, change]
        await asyncio.gather(*(repeat(number, act) for number, act in enumerate(acts)))
    return outcomes


async def _ask(http: httpx.AsyncClient, rng: random.Random, asked: Sequence[str]) -> str:
    kind = rng.choices(("whole", "stream", "left", "coming", "bad"), (3, 3, 2, 3, 2))[0]
    model = rng.choice(COMING) if kind == "coming" else rng.choice(("pydoc", "pydoc-raw", "demo"))
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "user", "content": rng.choice(asked)}],
        "max_tokens": rng.choice((4, 16, 48)),
    }
    if kind == "bad":
        return await _bad(http, rng, body)
    if kind in ("stream", "left"):
        return await _stream(http, {**body, "stream": True}, leaves=kind == "left")
    reply = await http.post("/v1/chat/completions", json=body)
    if reply.status_code == 200:
        assert reply.json()["choices"][0]["finish_reason"], "an answer without an end"
        return f"{kind}: answered"
    return _told(reply, kind)


async def _stream(http: httpx.AsyncClient, body: dict[str, Any], *, leaves: bool) -> str:
    last = ""
    async with http.stream("POST", "/v1/chat/completions", json=body) as reply:
        if reply.status_code != 200:
            await reply.aread()
            return _told(reply, "stream")
        async for line in reply.aiter_lines():
            last = line or last
            if leaves and line:
                return "stream: left"
    assert last == "data: [DONE]", f"a stream ended with {last!r:.200}"
    return "stream: answered"


async def _bad(http: httpx.AsyncClient, rng: random.Random, body: dict[str, Any]) -> str:
    wrong: tuple[dict[str, Any], ...] = (
        {"model": "nobody"},
        {"messages": []},
        {"temperature": "hot"},
        {"max_tokens": -1},
        {"messages": [{"role": "user", "content": "x" * 200_000}]},
        {"stop": [""]},
    )
    reply = await http.post("/v1/chat/completions", json={**body, **rng.choice(wrong)})
    assert reply.status_code != 200, f"a bad request was answered: {reply.text:.200}"
    return _told(reply, "bad")


async def _change(
    http: httpx.AsyncClient, rng: random.Random, sources: Sequence[Path], refused: Path
) -> str:
    name, path = rng.choice(COMING), rng.choice((*sources, *sources, refused))
    if rng.random() < 0.35:
        what, body = "unload", dict[str, Any](lora_name=name)
    else:
        in_place = rng.random() < 0.7
        what, body = "load", {"lora_name": name, "lora_path": str(path), "load_inplace": in_place}
    reply = await http.post(f"/v1/{what}_lora_adapter", json=body)
    await asyncio.sleep(rng.random())
    if reply.status_code == 200:
        assert what == "unload" or path != refused, "a broken adapter was taken"
        return f"{what}: done"
    return _told(reply, what)


def _told(reply: httpx.Response, what: str) -> str:
    """A refusal is right where it has a status of the table and says why."""
    assert reply.status_code in TOLD, f"{what}: {reply.status_code} {reply.text:.200}"
    assert reply.json()["error"]["message"], f"{what}: {reply.status_code} without a reason"
    return f"{what}: told {reply.status_code}"
