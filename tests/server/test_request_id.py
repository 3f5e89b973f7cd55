"""The id of a request: where it comes from, that it is on every response, and that clients' ids never meet in the engine."""

import asyncio
from typing import Any

import openai
import pytest

from server.engine import EngineRequest
from server.errors import EngineDeadError
from server.observing.request_id import request_id_of
from server.prompt import PromptRenderer
from tests.fakes import delta, served
from tests.server.running import Running, running

HEADER = "X-Request-Id"


@pytest.mark.parametrize(
    "given",
    [
        b"",
        b"a b",
        b"a\nb",
        b"a\r\nX-Evil: 1",
        b"\x1b[31m",
        b"\x7f",
        "é".encode(),
        b"x" * 129,
        b"a\t",
    ],
)
def test_ids_that_could_hurt_are_replaced(given: bytes) -> None:
    made = request_id_of([(b"x-request-id", given)])
    assert len(made.value) == 32
    assert made.value.isalnum()
    assert made.engine_id == made.value


@pytest.mark.parametrize("given", ["a", "0af7651916cd43dd8448eb211c80319c", 'x"{=}%s', "x" * 128])
def test_sane_ids_are_taken_and_made_unique_for_the_engine(given: str) -> None:
    headers = [(b"host", b"h"), (b"x-request-id", given.encode())]
    first, second = request_id_of(headers), request_id_of(headers)
    assert first.value == second.value == given
    assert first.engine_id.startswith(f"{given}-")
    assert first.engine_id != second.engine_id
    assert request_id_of([(b"x-request-id", first.engine_id[:128].encode())]).engine_id not in {
        first.engine_id,
        second.engine_id,
    }


async def test_every_response_has_it(renderer: PromptRenderer) -> None:
    async with running(renderer, api_key=("k",), max_body_bytes=2000) as run:
        key = {"Authorization": "Bearer k"}

        async def ask(status: int, method: str, path: str, **kwargs: Any) -> None:
            headers = {**key, HEADER: f"id-{status}", **kwargs.pop("headers", {})}
            reply = await run.client.request(method, path, headers=headers, **kwargs)
            assert reply.status_code == status
            assert reply.headers.get_list(HEADER) == [f"id-{status}"]

        chat = {"model": "chat", "messages": [{"role": "user", "content": "hi"}]}
        await ask(200, "GET", "/readyz")
        await ask(200, "GET", "/metrics")
        await ask(404, "GET", "/nope")
        await ask(405, "GET", "/v1/chat/completions")
        await ask(401, "GET", "/v1/models", headers={"Authorization": "Bearer wrong"})
        await ask(404, "POST", "/v1/chat/completions", json={**chat, "model": "no"})
        await ask(400, "POST", "/v1/chat/completions", content=b"{")
        await ask(413, "POST", "/v1/chat/completions", content=b" " * 4000)
        for stream in (True, False):
            await ask(200, "POST", "/v1/chat/completions", json={**chat, "stream": stream})
            run.engine.enqueue(RuntimeError("a bug"))
            await ask(500, "POST", "/v1/chat/completions", json={**chat, "stream": stream})
        run.engine.enqueue(delta("x"), EngineDeadError("gone"))
        await ask(503, "POST", "/v1/chat/completions", json=chat)
        await ask(503, "POST", "/v1/completions", json={"model": "chat", "prompt": "hi"})


async def test_without_one_each_response_has_an_id_of_its_own(renderer: PromptRenderer) -> None:
    async with running(renderer) as run:
        replies = [await run.chat(), await run.chat(stream=True), await run.client.get("/livez")]
        ids = [reply.headers[HEADER] for reply in replies]
        assert len(set(ids)) == 3
        assert replies[0].json()["id"] == f"chatcmpl-{ids[0]}"
        assert run.engine.requests[0].request_id == ids[0]


async def test_error_bodies_stay_in_openais_shape(renderer: PromptRenderer) -> None:
    async with running(renderer) as run:
        reply = await run.client.get("/nope", headers={HEADER: "mine"})
        assert set(reply.json()["error"]) == {"message", "type", "param", "code"}


async def test_equal_ids_at_once_do_not_meet_in_the_engine(renderer: PromptRenderer) -> None:
    async with running(renderer) as run:
        for _ in range(8):
            run.engine.enqueue(0.2, delta("ok"), delta([257], "stop"))
        body = {"model": "chat", "messages": [{"role": "user", "content": "hi"}]}
        post = run.client.post
        replies = await asyncio.gather(
            *(post("/v1/chat/completions", json=body, headers={HEADER: "same"}) for _ in range(8))
        )
        assert {(reply.status_code, reply.headers[HEADER]) for reply in replies} == {(200, "same")}
        engine_ids = {request.request_id for request in run.engine.requests}
        assert len(engine_ids) == 8
        assert all(engine_id.startswith("same-") for engine_id in engine_ids)


async def test_openais_client_finds_it(renderer: PromptRenderer) -> None:
    async with running(renderer) as run, _openai(run) as client:
        messages: Any = [{"role": "user", "content": "hi"}]
        headers = {HEADER: "from-the-client"}
        create = client.chat.completions.create
        answer = await create(model="chat", messages=messages, extra_headers=headers)
        assert answer._request_id == "from-the-client"
        with pytest.raises(openai.NotFoundError) as caught:
            await create(model="none", messages=messages, extra_headers=headers)
        assert caught.value.request_id == "from-the-client"
        streaming = client.chat.completions.with_streaming_response.create
        async with streaming(
            model="chat", messages=messages, stream=True, extra_headers=headers
        ) as response:
            assert response.request_id == "from-the-client"


def _openai(run: Running) -> openai.AsyncOpenAI:
    url = f"{run.client.base_url}/v1/".replace("//v1", "/v1")
    return openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0)


async def test_the_engine_gets_the_id_and_nothing_of_a_trace_that_is_off(
    renderer: PromptRenderer,
) -> None:
    async with running(renderer, served()) as run:
        await run.client.post(
            "/v1/completions",
            json={"model": "chat", "prompt": "hi"},
            headers={HEADER: "abc", "traceparent": f"00-{'1' * 32}-{'2' * 16}-01"},
        )
        request: EngineRequest = run.engine.requests[0]
        assert request.request_id.startswith("abc-")
        assert request.trace_headers is None
