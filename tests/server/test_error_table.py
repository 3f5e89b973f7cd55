"""Each path with each status: OpenAI's error object, Anthropic's below /v1/messages, and the SDK's exception for each."""

import json
from typing import Any

import httpx2 as httpx
import openai
import pytest
from anthropic.types import ErrorResponse

from server.app import create_app
from server.errors import PermissionDenied, RateLimited, RequestError, Unavailable
from server.prompt import PromptRenderer
from tests.fakes import delta
from tests.server.running import Running, running

QUESTION = [{"role": "user", "content": "hi"}]
GENERATING: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"model": "chat", "messages": QUESTION},
    "/v1/completions": {"model": "chat", "prompt": "hi"},
    "/v1/responses": {"model": "chat", "input": "hi"},
    "/v1/messages": {"model": "chat", "messages": QUESTION, "max_tokens": 9},
}
POSTED = {
    **GENERATING,
    "/v1/messages/count_tokens": {"model": "chat", "messages": QUESTION},
    "/tokenize": {"model": "chat", "prompt": "hi"},
    "/detokenize": {"model": "chat", "tokens": [97]},
}
GUARDED = ("/v1/models", "/v1/models/chat", "/v1/responses/resp_1")
OPEN = ("/livez", "/readyz", "/health", "/version", "/metrics")

# What each status says at OpenAI: (type, code). Where there are several, the type alone.
TYPES: dict[int, tuple[str, str | None]] = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("invalid_request_error", "no_such_right"),
    404: ("invalid_request_error", "model_not_found"),
    405: ("invalid_request_error", None),
    413: ("invalid_request_error", "body_too_large"),
    415: ("invalid_request_error", "unsupported_content_type"),
    429: ("requests", "rate_limit_exceeded"),
    500: ("server_error", None),
    503: ("service_unavailable_error", "busy"),
}
ANTHROPIC_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    500: "api_error",
    503: "overloaded_error",
}
# What the engine, or a rule of the operator's, may say to a request.
RAISED: dict[int, Exception] = {
    403: PermissionDenied("this key may not do this", code="no_such_right"),
    429: RateLimited("too many requests", retry_after_s=7),
    500: RuntimeError("secret"),
    503: Unavailable("the engine is busy", retry_after_s=7, code="busy"),
}
EXCEPTIONS: dict[int, type[openai.APIStatusError]] = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    403: openai.PermissionDeniedError,
    404: openai.NotFoundError,
    413: openai.APIStatusError,
    415: openai.APIStatusError,
    429: openai.RateLimitError,
    500: openai.InternalServerError,
    503: openai.InternalServerError,
}


def check(reply: httpx.Response, status: int, code: str | None = None) -> str:
    """The message of an error that has everything an error of this path and status must have."""
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["x-request-id"]
    assert "secret" not in reply.text
    assert ("retry-after" in reply.headers) == (status in (429, 503))
    error = reply.json()["error"]
    if reply.url.path.startswith("/v1/messages"):
        ErrorResponse.model_validate_json(reply.content, strict=True)
        assert error["type"] == ANTHROPIC_TYPES.get(status, "invalid_request_error")
        assert reply.json()["request_id"] == reply.headers["request-id"]
        assert error.get("details") == (None if code is None else {"error_code": code})
    else:
        assert set(reply.json()) == {"error"}
        assert set(error) == {"message", "type", "param", "code"}
        assert (error["type"], error["code"]) == (TYPES[status][0], code)
    message: str = error["message"]
    assert message
    return message


async def post(run: Running, path: str, **fields: Any) -> httpx.Response:
    return await run.client.post(path, json={**POSTED[path], **fields})


async def test_400_names_the_field(renderer: PromptRenderer, subtests: pytest.Subtests) -> None:
    async with running(renderer) as run:
        for path in POSTED:
            with subtests.test(path=path):
                assert "model" in check(await post(run, path, model=5), 400)
                broken = await run.client.post(path, content=b'{"model": ')
                check(broken, 400, "invalid_json")


async def test_401_where_there_are_keys(
    renderer: PromptRenderer, subtests: pytest.Subtests
) -> None:
    async with running(renderer, api_key=("k",)) as run:
        for path in POSTED:
            with subtests.test(path=path):
                check(await post(run, path), 401, "invalid_api_key")
        for path in (*GUARDED, "/no/such/path"):
            with subtests.test(path=path):
                check(await run.client.get(path), 401, "invalid_api_key")
        for path in OPEN:
            assert (await run.client.get(path)).status_code == 200


async def test_404_names_the_model_or_the_path(
    renderer: PromptRenderer, subtests: pytest.Subtests
) -> None:
    async with running(renderer) as run:
        for path in POSTED:
            with subtests.test(path=path):
                message = check(await post(run, path, model="nope"), 404, "model_not_found")
                assert "base-model, chat" in message
        check(await run.client.get("/v1/models/nope"), 404, "model_not_found")
        for path in ("/nope", "/v1/messages/nope", "/v1/responses/resp_1"):
            with subtests.test(path=path):
                message = check(await run.client.get(path), 404)
                assert path.rpartition("/")[2] in message


async def test_405_names_the_methods_that_there_are(
    renderer: PromptRenderer, subtests: pytest.Subtests
) -> None:
    async with running(renderer) as run:
        allowed = {
            **dict.fromkeys(POSTED, "POST"),
            **dict.fromkeys((*GUARDED[:2], *OPEN), "GET"),
            "/v1/responses/resp_1": "DELETE, GET",
        }
        for path, methods in allowed.items():
            for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
                if method in methods:
                    continue
                with subtests.test(path=path, method=method):
                    reply = await run.client.request(method, path)
                    assert methods in check(reply, 405)
                    assert reply.headers["allow"] == methods


async def test_413_names_the_limit(renderer: PromptRenderer, subtests: pytest.Subtests) -> None:
    async with running(renderer, max_body_bytes=1024) as run:
        for path in POSTED:
            with subtests.test(path=path):
                reply = await run.client.post(path, content=b" " * 2000)
                assert "1,024" in check(reply, 413, "body_too_large")


@pytest.mark.parametrize(
    "sent",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "json"],
)
async def test_415_names_what_was_sent(
    renderer: PromptRenderer, subtests: pytest.Subtests, sent: str
) -> None:
    async with running(renderer) as run:
        for path, body in POSTED.items():
            with subtests.test(path=path):
                headers = {"Content-Type": sent}
                reply = await run.client.post(path, content=json.dumps(body), headers=headers)
                message = check(reply, 415, "unsupported_content_type")
                assert sent.partition(";")[0] in message
                assert "application/json" in message


@pytest.mark.parametrize(
    "sent",
    [None, "", "application/json", "Application/JSON; charset=utf-8", "application/vnd.x+json"],
)
async def test_json_by_any_name_is_taken(
    renderer: PromptRenderer, subtests: pytest.Subtests, sent: str | None
) -> None:
    """A body that does not say what it is is read as JSON; vLLM refuses it, curl and the SDKs always say it."""
    async with running(renderer) as run:
        headers = {} if sent is None else {"Content-Type": sent}
        for path, body in POSTED.items():
            with subtests.test(path=path):
                reply = await run.client.post(path, content=json.dumps(body), headers=headers)
                assert reply.status_code == 200


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", RAISED)
async def test_what_fails_before_the_first_token_keeps_its_status(
    renderer: PromptRenderer, subtests: pytest.Subtests, status: int, *, stream: bool
) -> None:
    async with running(renderer) as run:
        for path in GENERATING:
            with subtests.test(path=path):
                run.engine.enqueue(RAISED[status])
                reply = await post(run, path, stream=stream)
                check(reply, status, TYPES[status][1])
                if status in (429, 503):
                    assert reply.headers["retry-after"] == "7"


@pytest.mark.parametrize("status", RAISED)
async def test_what_fails_inside_a_stream_is_said_in_its_words(
    renderer: PromptRenderer, subtests: pytest.Subtests, status: int
) -> None:
    async with running(renderer) as run:
        for path in GENERATING:
            with subtests.test(path=path):
                run.engine.enqueue(delta("abc"), RAISED[status])
                reply = await post(run, path, stream=True)
                assert reply.status_code == 200
                assert "secret" not in reply.text
                lines = [line for line in reply.text.splitlines() if line.startswith("data: {")]
                last = json.loads(lines[-1].removeprefix("data: "))
                if path == "/v1/messages":
                    assert last["error"]["type"] == ANTHROPIC_TYPES[status]
                    continue
                error = last["error"]
                assert (error["type"], error["code"]) == TYPES[status]
                assert set(error) == {"message", "type", "param", "code"}
                assert reply.text.endswith("data: [DONE]\n\n") == (path != "/v1/responses")


async def test_500_says_nothing_of_the_inside(
    renderer: PromptRenderer, subtests: pytest.Subtests
) -> None:
    async with running(renderer) as run:
        with pytest.MonkeyPatch.context() as patch:
            # A bug, wherever models are looked up.
            patch.setattr(run.server.catalog, "_models", None)
            for path in POSTED:
                with subtests.test(path=path):
                    check(await post(run, path), 500)
            for path in GUARDED[:2]:
                with subtests.test(path=path):
                    check(await run.client.get(path), 500)


async def test_503_while_the_server_stops(
    renderer: PromptRenderer, subtests: pytest.Subtests
) -> None:
    async with running(renderer) as run:
        run.server.lifecycle.start_draining()
        for path in POSTED:
            with subtests.test(path=path):
                check(await post(run, path), 503, "not_ready")
        check(await run.client.get("/readyz"), 503, "not_ready")


async def test_a_wrong_path_or_query_value_is_a_400(renderer: PromptRenderer) -> None:
    """FastAPI says 422, which OpenAI's clients know nothing of."""
    async with running(renderer) as run:

        async def numbered(number: int) -> int:
            return number

        app = create_app(run.server)
        app.add_api_route("/numbered/{number}", numbered)
        inside = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=inside, base_url="http://inside") as client:
            assert (await client.get("/numbered/5")).json() == 5
            reply = await client.get("/numbered/x")
        assert "number" in check(reply, 400)
        assert reply.json()["error"]["param"] == "number"


def failing(status: int) -> tuple[dict[str, Any], RequestError | Exception | None]:
    """Fields of a chat request that fails so, and what the engine raises for it."""
    fields: dict[int, dict[str, Any]] = {
        400: {"temperature": 9},
        404: {"model": "nope"},
        413: {"user": "x" * 5000},
        415: {"extra_headers": {"Content-Type": "text/plain"}},
    }
    return fields.get(status, {}), RAISED.get(status)


@pytest.mark.parametrize("status", EXCEPTIONS)
async def test_openais_client_raises_the_right_exception(
    renderer: PromptRenderer, status: int
) -> None:
    async with running(renderer, api_key=("k",), max_body_bytes=4096) as run:
        url, key = f"{run.client.base_url}/v1", "wrong" if status == 401 else "k"
        fields, raised = failing(status)
        async with openai.AsyncOpenAI(base_url=url, api_key=key, max_retries=0) as client:
            create: Any = client.chat.completions.create
            for stream in (False, True):
                if raised is not None:
                    run.engine.enqueue(raised)
                body = {"model": "chat", "messages": QUESTION, "stream": stream, **fields}
                with pytest.raises(openai.APIStatusError) as caught:
                    await create(**body)
                assert type(caught.value) is EXCEPTIONS[status]
                assert caught.value.status_code == status
                assert (caught.value.type, caught.value.code) == TYPES[status]
                assert caught.value.param == {400: "temperature", 404: "model"}.get(status)
                assert caught.value.request_id


async def test_openais_client_raises_what_comes_inside_a_stream(renderer: PromptRenderer) -> None:
    async with running(renderer) as run:
        url = f"{run.client.base_url}/v1"
        async with openai.AsyncOpenAI(base_url=url, api_key="k", max_retries=0) as client:
            run.engine.enqueue(delta("abc"), RAISED[429])
            stream = await client.completions.create(model="chat", prompt="hi", stream=True)
            with pytest.raises(openai.APIError) as caught:
                async for _ in stream:
                    pass
            assert (caught.value.type, caught.value.code) == TYPES[429]
