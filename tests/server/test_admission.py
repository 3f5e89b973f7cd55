"""Admission over HTTP: who is refused and how, what never queues, and that every kind of end counts a request out, once."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from starlette.types import Receive, Scope, Send

import server.app
from server.admission import AdmissionMiddleware, AdmissionQueue, QueueLimits
from server.admission.admission_middleware import GENERATION_PATHS, OPERATOR_PATHS
from server.admission.queue_counts import NOTHING, Holder
from server.errors import EngineDeadError, RateLimited
from server.lifecycle import Lifecycle
from server.observing.request_record import RECORD_KEY, RequestRecord
from server.openapi.operations import OPERATIONS
from server.prompt import PromptRenderer
from tests.fakes import EOS, delta, served
from tests.server.running import Running, running
from tests.server.sockets import connection, parsed, request_bytes
from tests.server.test_keys import key_file

USER = [{"role": "user", "content": "hi"}]
GENERATING: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": USER},
    "/v1/completions": {"prompt": "hi"},
    "/v1/responses": {"input": "hi"},
    "/v1/messages": {"messages": USER, "max_tokens": 9},
}
NOT_GENERATING: dict[str, dict[str, Any]] = {
    "/tokenize": {"prompt": "hi"},
    "/detokenize": {"tokens": [97]},
    "/v1/messages/count_tokens": {"messages": USER},
}
# Longer than any test.
HELD = 60.0


@pytest.fixture
def queues(monkeypatch: pytest.MonkeyPatch) -> list[AdmissionQueue]:
    """The queue of each application that is made."""
    made: list[AdmissionQueue] = []

    def make(limits: QueueLimits) -> AdmissionQueue:
        made.append(AdmissionQueue(limits))
        return made[-1]

    monkeypatch.setattr(server.app, "AdmissionQueue", make)
    return made


async def post(
    run: Running, path: str, key: str | None = None, model: str = "chat", **fields: Any
) -> httpx.Response:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    body = {"model": model, **{**GENERATING, **NOT_GENERATING}[path], **fields}
    return await run.client.post(path, json=body, headers=headers)


def code_of(reply: httpx.Response) -> tuple[int, str]:
    """Status and code of a refusal, which says when to come back."""
    assert 1 <= int(reply.headers["Retry-After"]) <= 60
    error = reply.json()["error"]
    code = error["details"]["error_code"] if "details" in error else error["code"]
    assert f"try again in {reply.headers['Retry-After']} s" in error["message"]
    return reply.status_code, code


@asynccontextmanager
async def waiting(run: Running, number: int, *args: Any, **fields: Any) -> AsyncIterator[None]:
    """So many requests in the queue, without a token, until this ends."""
    before = run.metric("endturn_requests_queued")
    for _ in range(number):
        run.engine.enqueue(HELD)
    num_asked = len(run.engine.requests) + number
    asked = [asyncio.create_task(post(run, *args, **fields)) for _ in range(number)]
    await run.until(lambda: len(run.engine.requests) == num_asked)
    assert run.metric("endturn_requests_queued") == before + number
    try:
        yield
    finally:
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        await run.until(lambda: run.metric("endturn_requests_queued") == before)


@pytest.mark.parametrize("path", GENERATING)
async def test_a_full_server_refuses_whoever_asks(renderer: PromptRenderer, path: str) -> None:
    async with running(renderer, max_queued_requests=2, max_queue_share=1) as run:
        async with waiting(run, 2, path):
            assert code_of(await post(run, path)) == (503, "queue_full")
            for other, fields in NOT_GENERATING.items():
                reply = await run.client.post(other, json={"model": "chat", **fields})
                assert reply.status_code == 200, "it waits for no token, so it needs no place"
            assert run.metric("endturn_requests_rejected_total", reason="queue_full") == 1
        assert (await post(run, path)).status_code == 200


@pytest.mark.parametrize("path", GENERATING)
async def test_a_model_leaves_room_for_others(
    renderer: PromptRenderer, queues: list[AdmissionQueue], path: str
) -> None:
    models = (served(), served(name="other", label="other"))
    async with running(renderer, *models, max_queued_requests=4) as run:
        async with waiting(run, 2, path):
            assert code_of(await post(run, path)) == (429, "model_queue_full")
            assert (await post(run, path, model="other")).status_code == 200
            assert (await post(run, path, model="nobody")).status_code == 404
            assert queues[0].counts.holders == {Holder("model", "chat")}
        assert run.metric("endturn_requests_rejected_total", reason="model_queue_full") == 1


async def test_a_key_leaves_room_for_others(renderer: PromptRenderer, tmp_path: Path) -> None:
    path = key_file(tmp_path / "keys", {"name": "a", "key": "ka"}, {"name": "b", "key": "kb"})
    models = (served(), served(name="other", label="other"))
    limits: dict[str, Any] = {"max_queued_requests": 4, "api_key_file": path}
    async with running(renderer, *models, **limits) as run:
        chat = "/v1/chat/completions"
        async with waiting(run, 1, chat, "ka"), waiting(run, 1, chat, "ka", model="other"):
            assert code_of(await post(run, chat, "ka")) == (429, "tenant_queue_full")
            assert (await post(run, chat, "kb")).status_code == 200
            assert (await post(run, chat, "kc")).status_code == 401
        reasons = {"tenant_queue_full": 1, "unauthorized": 1}
        for reason, number in reasons.items():
            assert run.metric("endturn_requests_rejected_total", reason=reason) == number


async def test_one_key_alone_may_fill_the_queue(renderer: PromptRenderer) -> None:
    async with running(renderer, max_queued_requests=2, max_queue_share=0.5, api_key=("k",)) as run:
        models = ("chat", "base-model")
        chat = "/v1/completions"
        async with waiting(run, 1, chat, "k", models[0]), waiting(run, 1, chat, "k", models[1]):
            assert code_of(await post(run, chat, "k")) == (503, "queue_full")


@pytest.mark.parametrize("path", GENERATING)
async def test_prompts_are_limited_by_their_tokens(renderer: PromptRenderer, path: str) -> None:
    async with running(renderer, max_queued_tokens=40, max_queue_share=1) as run:
        long = {"/v1/completions": {"prompt": "x" * 40}, "/v1/responses": {"input": "x" * 40}}
        messages = {"messages": [{"role": "user", "content": "x" * 40}]}
        fields = long.get(path, messages)
        async with waiting(run, 1, path, **fields):
            assert run.metric("endturn_prompt_tokens_queued") >= 40
            assert code_of(await post(run, path)) == (503, "queue_tokens_full")
            reply = await post(run, path, **{k: "x" * 2000 for k in fields if k != "messages"})
            if path in long:
                assert reply.status_code == 400, "what never fits the model is told so"
        assert run.metric("endturn_prompt_tokens_queued") == 0
        assert (await post(run, path)).status_code == 200


async def test_a_first_token_ends_the_wait_and_not_the_request(renderer: PromptRenderer) -> None:
    limits: dict[str, Any] = {"max_queued_requests": 1, "max_queue_share": 1, "max_requests": 3}
    async with running(renderer, **limits) as run:
        run.engine.enqueue(delta("a"), HELD)
        run.engine.enqueue(delta("a"), HELD)
        chat = "/v1/chat/completions"
        body = {"model": "chat", **GENERATING[chat], "stream": True}
        async with (
            run.client.stream("POST", chat, json=body),
            run.client.stream("POST", chat, json=body),
        ):
            assert run.metric("endturn_requests_queued") == 0
            assert run.metric("endturn_prompt_tokens_queued") == 0
            async with waiting(run, 1, chat):
                assert code_of(await post(run, chat)) == (503, "queue_full")
                assert code_of(await post(run, "/tokenize")) == (503, "server_full")
        await run.until(lambda: run.metric("endturn_requests_in_flight") == 0)
        assert (await post(run, chat)).status_code == 200


async def test_several_prompts_wait_one_by_one(renderer: PromptRenderer) -> None:
    async with running(renderer) as run:
        run.engine.enqueue(delta("a"), HELD)
        run.engine.enqueue(HELD)
        body = {"model": "chat", "prompt": ["four", "ninechars"], "stream": True}
        async with run.client.stream("POST", "/v1/completions", json=body):
            await run.until(lambda: len(run.engine.requests) == 2)
            assert run.metric("endturn_requests_queued") == 0
            assert run.metric("endturn_prompt_tokens_queued") == 10


async def test_refused_before_the_body_is_sent(renderer: PromptRenderer) -> None:
    async with (
        running(renderer, max_queued_requests=1, max_queue_share=1) as run,
        waiting(run, 1, "/v1/chat/completions"),
        connection(run) as (reader, writer),
    ):
        writer.write(request_bytes("/v1/chat/completions", {}, content_length=str(8 << 20)))
        async with asyncio.timeout(5):
            head = await reader.readuntil(b"\r\n\r\n")
        assert parsed(head)[0] == 503


async def test_the_state_of_the_server_is_told_before_its_queue(renderer: PromptRenderer) -> None:
    async with (
        running(renderer, max_queued_requests=1, max_queue_share=1) as run,
        waiting(run, 1, "/v1/chat/completions"),
    ):
        run.server.lifecycle.start_draining()
        reply = await post(run, "/v1/chat/completions")
        assert (reply.status_code, reply.json()["error"]["code"]) == (503, "not_ready")


def test_every_path_is_one_that_queues_or_one_that_does_not() -> None:
    posted = {operation.path for operation in OPERATIONS if operation.method == "post"}
    others = {path for path in posted if path.endswith("/cancel")} | set(NOT_GENERATING)
    assert posted - OPERATOR_PATHS == GENERATION_PATHS | others
    assert set(GENERATING) == GENERATION_PATHS


async def test_cancelled_work_is_counted_out() -> None:
    queue = AdmissionQueue(
        QueueLimits(max_requests=5, max_queued_requests=5, max_queued_tokens=50, max_share=1)
    )
    lifecycle = Lifecycle()
    lifecycle.become_ready()
    entered = asyncio.Event()

    async def app(scope: Scope, _: Receive, __: Send) -> None:
        scope["endturn.place"].take_prompts([7], 1)
        entered.set()
        await asyncio.sleep(HELD)

    middleware = AdmissionMiddleware(app, lifecycle, queue, lambda: 2, lambda *_: None)  # type: ignore[arg-type]  # nothing is refused
    scope = {"type": "http", "method": "POST", "path": "/v1/completions"}
    record = RequestRecord(engine_id="e", tenant="a")
    task = asyncio.create_task(middleware({**scope, RECORD_KEY: record}, None, None))  # type: ignore[arg-type]  # neither is used
    await entered.wait()
    assert (queue.num_open, queue.counts.total.num_tokens) == (1, 7)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (queue.num_open, queue.counts.total, queue.counts.holders) == (0, NOTHING, frozenset())
    assert await lifecycle.wait_until_idle(0) == set()


class Ends:
    """Requests that end in every way there is."""

    def __init__(self, run: Running, seed: int) -> None:
        self.run = run
        self.random = random.Random(seed)  # noqa: S311  (an order, no secret)
        self.kinds = [getattr(self, name) for name in sorted(vars(Ends)) if name.startswith("_end")]

    async def any(self) -> None:
        await asyncio.sleep(self.random.random() * 0.5)
        path = self.random.choice(sorted(GENERATING))
        model = self.random.choice(["chat", "other", "base-model"])
        key = self.random.choice(["ka", "kb"])
        await self.random.choice(self.kinds)(path, key, model)

    async def _end_answered(self, path: str, key: str, model: str) -> None:
        await post(self.run, path, key, model)

    async def _end_in_the_middle(self, path: str, key: str, model: str) -> None:
        self.run.engine.enqueue(delta("a"), 0.5, delta([EOS], "stop"))
        await self._leave_after(0.2, path, key, model, stream=True)

    async def _end_while_queued(self, path: str, key: str, model: str) -> None:
        # Another request may get this script: then it waits a little.
        self.run.engine.enqueue(0.5, delta([EOS], "stop"))
        await self._leave_after(0.2, path, key, model)

    async def _end_while_rendering(self, path: str, key: str, model: str) -> None:
        await self._leave_after(0.1, path, key, "slow")

    async def _end_by_template(self, path: str, key: str, model: str) -> None:
        await post(self.run, "/v1/chat/completions", key, model, messages=[{"role": "x"}])

    async def _end_by_body(self, path: str, key: str, model: str) -> None:
        await post(self.run, path, key, model, temperature="hot")

    async def _end_by_name(self, path: str, key: str, model: str) -> None:
        await post(self.run, path, key, f"no-{self.random.random()}")

    async def _end_by_engine(self, path: str, key: str, model: str) -> None:
        self.run.engine.enqueue(RateLimited("the engine is busy", retry_after_s=1))
        await post(self.run, path, key, model, stream=True)

    async def _end_by_a_bug(self, path: str, key: str, model: str) -> None:
        self.run.engine.enqueue(delta("a"), RuntimeError("a bug"))
        await post(self.run, path, key, model, stream=self.random.random() < 0.5)

    async def _end_in_the_body(self, path: str, key: str, model: str) -> None:
        async with connection(self.run) as (_, writer):
            authorization = f"Bearer {key}"
            body = {"model": model, **GENERATING[path]}
            lengths = {"content_length": "5000", "authorization": authorization}
            writer.write(request_bytes(path, body, **lengths))
            await asyncio.sleep(0.1)

    async def _end_of_several(self, path: str, key: str, model: str) -> None:
        self.run.engine.enqueue(delta("a"), 0.1, delta([EOS], "stop"))
        fields = {"prompt": ["one", "two", "three"]}
        await post(self.run, "/v1/completions", key, model, **fields)

    async def _leave_after(self, seconds: float, *args: Any, **fields: Any) -> None:
        task = asyncio.create_task(post(self.run, *args, **fields))
        await asyncio.wait([task], timeout=seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("dies", [False, True])
async def test_every_end_is_counted_once(
    renderer: PromptRenderer, queues: list[AdmissionQueue], tmp_path: Path, seed: int, dies: bool
) -> None:
    """Many at once, in an order that depends on the seed; refusals by every limit are among the ends."""
    path = key_file(tmp_path / "keys", {"name": "a", "key": "ka"}, {"name": "b", "key": "kb"})
    slow = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
    models = (served(), served(name="other", label="other"), served(name="slow", template=slow))
    limits: dict[str, Any] = {
        "max_queued_requests": 12,
        "max_queued_tokens": 150,
        "max_requests": 20,
    }
    async with running(renderer, *models, api_key_file=path, body_timeout_s=1, **limits) as run:
        run.client.timeout = 60  # templates that are too slow wait for one worker
        ends = Ends(run, seed)
        await asyncio.gather(*(ends.any() for _ in range(80)), return_exceptions=False)
        if dies:
            held = [asyncio.create_task(post(run, "/v1/completions", "ka")) for _ in range(3)]
            run.engine._scripts.clear()
            run.engine.enqueue(EngineDeadError("gone"))
            await asyncio.gather(*held, post(run, "/v1/completions", "kb"))
        queue = queues[0]
        await run.until(lambda: run.metric("endturn_requests_in_flight") == 0)
        assert (queue.num_open, queue.counts.total, queue.counts.holders) == (
            0,
            NOTHING,
            frozenset(),
        )
        assert run.metric("endturn_requests_queued") == 0
        assert run.metric("endturn_prompt_tokens_queued") == 0
        assert await run.server.lifecycle.wait_until_idle(0) == set()
        assert not run.engine.open
        assert run.server.keys is not None
        assert not run.server.keys.tenants._open
        run.engine._scripts.clear()  # of requests that ended before they got to the engine
        reply = await post(run, "/v1/completions", "ka")
        said = json.loads(reply.content)
        assert said["error"]["code"] == "engine_dead" if dies else reply.status_code == 200, said
