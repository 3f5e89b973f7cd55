"""Every panel and every rule against a real Prometheus that scrapes a running server."""

import asyncio
import random
import shutil
import string
from pathlib import Path

import pytest
from prometheus_client import Gauge

from server.prompt import PromptRenderer
from tests.deploy.prometheus_process import Prometheus, prometheus
from tests.deploy.promql import panel_queries, rules
from tests.fakes import EOS, IM_END, delta, profile, served
from tests.server.running import Running, running
from tests.server.test_metrics import verification, weights

pytestmark = pytest.mark.skipif(
    shutil.which("prometheus") is None,
    reason="prometheus is not installed (Debian's package prometheus); queries were only parsed",
)
# Levels that nothing in the run goes beyond; everything else must show something.
QUIET_RULES = {
    "EndturnRunawayNeverVerified",
    "EndturnMissingLogprobs",
    "EndturnDown",
    "EndturnAbsent",
    "EndturnRestarting",
    "EndturnAdapterLoadFailed",
    "EndturnAdapterLoadsForLong",
    "EndturnErrors",
    "EndturnRescuedAboveLearned",
    "EndturnRequestsRefused",
}
# No loop guard takes it for a loop.
PROSE = "".join(random.Random(7).choices(string.ascii_lowercase + " ", k=900))  # noqa: S311  (text, no secret)


async def drive(run: Running) -> None:
    """Answers of every kind, to a verified adapter that runs away more than it did, and requests that are refused."""
    for stream in (False, True):
        run.engine.enqueue(delta("Hello"), 0.01, delta([*b"!", IM_END], "stop"))
        await run.chat(stream=stream)
    run.engine.enqueue(delta("Hi"), 0.01, delta([EOS], "stop"))
    await run.chat()
    run.engine.enqueue(delta("Yes\n"), 0.01, delta("\n### Human: and"), delta("never"))
    await run.chat()
    for finish, fields in (("length", {}), ("length", {"max_tokens": 900}), ("repetition", {})):
        half = len(PROSE) // 2 if fields else 25
        run.engine.enqueue(delta(PROSE[:half]), 0.01, delta(PROSE[half : 2 * half], finish))  # type: ignore[arg-type]  # one of the engine's words
        assert (await run.chat(**fields)).status_code == 200
    await run.chat(model="nobody")
    run.server.lifecycle.start_draining()
    await run.chat()
    run.server.lifecycle.become_ready()


async def check_everything(scraping: Prometheus) -> None:
    errors, empty = [], []
    for query in panel_queries():
        try:
            if not await scraping.query(query.expr):
                empty.append(f"{query.title} {query.ref}")
        except ValueError as exc:
            errors.append(f"{query.title} {query.ref}: {exc}")
    for rule in rules():
        name = rule.get("alert") or rule["record"]
        try:
            if not await scraping.query(rule["expr"]) and name not in QUIET_RULES:
                empty.append(name)
        except ValueError as exc:
            errors.append(f"{name}: {exc}")
    health = await scraping.rules()
    errors += [f"{rule['name']}: {rule}" for rule in health if rule["health"] != "ok"]
    assert not errors
    assert not empty


async def test_every_panel_and_rule_has_data(renderer: PromptRenderer, tmp_path: Path) -> None:
    learned = verification(tokens_p95=10, eos=98, max_tokens=2)
    limits = {"default": 50, "limit": None}
    model = served(
        "chat", adapter=weights("k"), profile=profile(verification=learned, max_tokens=limits)
    )
    await renderer.wait_until_warm()
    async with running(renderer, model) as run:
        registry = run.server.metrics.registry
        # vLLM's, which share the page with a real engine.
        for name in ("vllm:num_requests_running", "vllm:num_requests_waiting"):
            Gauge(name, "as vLLM's", registry=registry).set(1)
        await run.server.adapters.start([model])
        target = f"{run.client.base_url.host}:{run.client.base_url.port}"
        async with prometheus(target, tmp_path) as scraping:
            # A rate needs what was before.
            await drive(run)
            assert await scraping.until_found("endturn_runaway_total > 0", 30)
            for _ in range(12):
                await drive(run)
                await asyncio.sleep(0.25)
            enough = "adapter:endturn_stops:increase10m >= 20"
            assert await scraping.until_found(enough, 60)
            since = 'ALERTS_FOR_STATE{alertname="EndturnRunawayAboveLearned"}'
            assert await scraping.until_found(since, 60)
            assert await scraping.until_found('ALERTS{alertname="EndturnRunawayFarTooLong"}', 60)
            await check_everything(scraping)
            tokens = "sum(endturn_runaway_generation_tokens_sum)"
            assert await scraping.until_found(f"{tokens} == {13 * (50 + 900 + 50)}", 30)
