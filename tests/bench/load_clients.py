"""Clients that ask the demo's adapters and count what they get, and the same counts as /metrics has them."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2 as httpx
import orjson
from prometheus_client.parser import text_string_to_metric_families

from tests.bench.runaway import questions

CAP = 96
# A client that leaves reads this many events first.
EVENTS_BEFORE_LEAVING = 4
COUNTED = (
    "endturn_stops_total",
    "endturn_generation_tokens_sum",
    "endturn_runaway_total",
    "endturn_runaway_generation_tokens_sum",
    "endturn_rescued_total",
    "endturn_rescued_generation_tokens_sum",
    "endturn_trimmed_tokens_total",
)
Series = tuple[str, tuple[str, ...]]


@dataclass(slots=True)
class Counted:
    """What the clients saw. `left` are requests whose client went away: it cannot know how they ended."""

    values: Counter[Series] = field(default_factory=Counter)
    num_answers: int = 0
    num_left: int = 0
    failures: list[str] = field(default_factory=list)

    def add(self, adapter: str, choice: dict[str, Any], num_tokens: int) -> None:
        """One finished answer, by the fields its client got."""
        detail = choice["stop_detail"]
        kind, trimmed, limit = detail["kind"], detail["trimmed_tokens"], detail["limit"]
        self.num_answers += 1
        self.values["endturn_stops_total", (adapter, kind)] += 1
        self.values["endturn_generation_tokens_sum", (adapter, kind)] += num_tokens
        if trimmed:
            self.values["endturn_trimmed_tokens_total", (adapter,)] += trimmed
        if choice["finish_reason"] == "length":
            self.values["endturn_runaway_total", (adapter, kind, limit["set_by"])] += 1
            self.values["endturn_runaway_generation_tokens_sum", (adapter, kind)] += num_tokens
        if kind in {"calibrated", "role_marker"}:
            self.values["endturn_rescued_total", (adapter, kind)] += 1
            self.values["endturn_rescued_generation_tokens_sum", (adapter, kind)] += num_tokens


def scrape(text: str) -> dict[Series, float]:
    """The counted series of a page; labels in the order adapter, kind, limit. What clients left is not compared."""
    found: dict[Series, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name in COUNTED and sample.labels.get("kind") != "abort":
                labels = [
                    sample.labels[n] for n in ("adapter", "kind", "limit") if n in sample.labels
                ]
                found[sample.name, tuple(labels)] = sample.value
    return found


def differences(
    counted: Counted, before: dict[Series, float], after: dict[Series, float]
) -> list[str]:
    """One line for every series in which the clients and the page disagree."""
    grown = {name: after[name] - before.get(name, 0.0) for name in after}
    names = sorted({*counted.values, *(name for name, value in grown.items() if value)})
    return [
        f"{name}{labels}: clients {counted.values[name, labels]}, /metrics {grown.get((name, labels), 0.0):g}"
        for name, labels in names
        if counted.values[name, labels] != grown.get((name, labels), 0.0)
    ]


async def drive(
    url: str, *, clients: int, until_s: float, cap: int = CAP, seed: int = 0
) -> Counted:
    """Ask from `clients` clients at once until the monotonic clock shows `until_s`, then let every answer end."""
    counted = Counted()
    asked = questions(300)
    async with httpx.AsyncClient(base_url=url, timeout=300) as http:

        async def ask_on(number: int) -> None:
            rng = random.Random(seed * 1000 + number)
            while time.monotonic() < until_s:
                body = _body(rng, asked, cap)
                try:
                    await _ask(http, body, rng.randrange(9) == 0, counted)
                except (httpx.HTTPError, KeyError, ValueError) as exc:
                    counted.failures.append(f"{type(exc).__name__}: {exc}")

        await asyncio.gather(*(ask_on(number) for number in range(clients)))
    return counted


def _body(rng: random.Random, asked: Sequence[str], cap: int) -> dict[str, Any]:
    body: dict[str, Any] = {
        "messages": [{"role": "user", "content": rng.choice(asked)}],
        "max_tokens": cap,
        "stream": rng.random() < 0.5,
    }
    if rng.random() < 0.5:
        return {**body, "model": "pydoc"}
    return {**body, "model": "pydoc-raw", "temperature": 0, "endturn": {"guards": False}}


async def _ask(
    http: httpx.AsyncClient, body: dict[str, Any], leaves: bool, counted: Counted
) -> None:
    """One request; of a stream, `leaves` reads a few events and goes."""
    if not body["stream"]:
        reply = (await http.post("/v1/chat/completions", json=body)).raise_for_status().json()
        counted.add(body["model"], reply["choices"][0], reply["usage"]["completion_tokens"])
        return
    body = {**body, "stream_options": {"include_usage": True}}
    last: dict[str, Any] = {}
    async with http.stream("POST", "/v1/chat/completions", json=body) as reply:
        reply.raise_for_status()
        num_events = 0
        async for line in reply.aiter_lines():
            if not line.startswith("data: {"):
                continue
            event = orjson.loads(line[6:])
            num_events += 1
            if event["choices"] and event["choices"][0]["finish_reason"] is not None:
                last = event["choices"][0]
            elif event.get("usage"):
                counted.add(body["model"], last, event["usage"]["completion_tokens"])
            elif leaves and not last and num_events == EVENTS_BEFORE_LEAVING:
                counted.num_left += 1
                return


async def settled(http: httpx.AsyncClient, seconds: float = 30) -> str:
    """The page once no request is in flight."""
    until = time.monotonic() + seconds
    while True:
        page = (await http.get("/metrics")).text
        lines = [
            line for line in page.splitlines() if line.startswith("endturn_requests_in_flight ")
        ]
        if sum(float(line.split()[-1]) for line in lines) == 0 or time.monotonic() > until:
            return page
        await asyncio.sleep(0.2)
