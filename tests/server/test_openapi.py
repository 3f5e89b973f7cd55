"""The OpenAPI document says what the server does. Every test with a running server holds what goes in and out against it; see Recorder."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute
from openapi_spec_validator import OpenAPIV31SpecValidator

from server.engine import EngineAdapter
from server.errors import AdapterConflict, PermissionDenied, RateLimited, UnknownModel
from server.openapi import pages
from server.openapi.adapter_operations import ADAPTER_OPERATIONS
from server.openapi.document import ServerFacts, document
from server.openapi.operations import OPERATIONS
from server.prompt import PromptRenderer
from server.routes import ROUTERS
from server.served_model import ServedModel
from tests.fakes import served
from tests.server.openapi_reading import EVENT_STREAM, Document
from tests.server.running import Running, running
from tests.server.talking_engine import TalkingEngine

README = Path(__file__).parents[2] / "README.md"
PAGES = {"/docs", "/redoc", "/docs/{name}", "/redoc/{name}", "/docs/start.js"}
BODIES = {f"{op.method.upper()} {op.path}": op for op in OPERATIONS if op.body is not None}


@cache
def described(*, has_keys: bool = False, unknown_fields: bool = True) -> Document:
    facts = ServerFacts(model="chat", has_keys=has_keys, unknown_fields=unknown_fields)
    return Document(json.loads(json.dumps(document(facts))))


@pytest.mark.parametrize("has_keys", [False, True])
@pytest.mark.parametrize("unknown_fields", [False, True])
def test_it_is_openapi(has_keys: bool, unknown_fields: bool) -> None:
    found = described(has_keys=has_keys, unknown_fields=unknown_fields).document
    OpenAPIV31SpecValidator(found).validate()


def test_it_has_every_route_and_no_other() -> None:
    routes = {
        (method.lower(), route.path.replace(":path}", "}"))
        for router in (*ROUTERS, pages.router)
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods
    }
    shown = {(method, path) for method, path in routes if path not in PAGES}
    assert shown == {(op.method, op.path) for op in OPERATIONS}


def test_everything_is_said_in_words() -> None:
    found = described().document
    for operation in OPERATIONS:
        assert operation.summary
        assert operation.description
        assert (operation.body is None) == (not operation.examples)
        if operation.body is not None:
            fields = found["components"]["schemas"][operation.body.__name__]["properties"]
            silent = [name for name, schema in fields.items() if "description" not in schema]
            assert silent == [], operation.path
    for name, schema in found["components"]["schemas"].items():
        assert schema.get("description"), name


def test_keys_are_asked_for_where_there_are_some() -> None:
    without, keyed = described().document, described(has_keys=True).document
    assert "securitySchemes" not in without["components"]
    for path, methods in keyed["paths"].items():
        for method, operation in methods.items():
            is_open = path in ("/livez", "/readyz", "/health", "/version", "/metrics")
            assert ("security" in operation) == ("401" in operation["responses"]) != is_open
            assert "401" not in without["paths"][path][method]["responses"]
    assert keyed["paths"]["/v1/messages"]["post"]["security"] == [{"bearer": []}, {"apiKey": []}]
    assert keyed["paths"]["/v1/models"]["get"]["security"] == [{"bearer": []}]


@pytest.mark.parametrize("key", BODIES)
def test_examples_are_what_is_asked_for(key: str) -> None:
    operation = BODIES[key]
    for name, body in operation.example_bodies("chat").items():
        assert described().request_problems(operation.method, operation.path, body) == [], name


def test_the_readme_asks_for_what_is_described() -> None:
    asked = re.findall(r"curl localhost:8000(/\S+).*?\\\n +-d '(.+?)'\n", README.read_text())
    assert asked
    for path, body in asked:
        assert described().request_problems("post", path, json.loads(body)) == []


async def test_the_server_gives_its_document(renderer: PromptRenderer) -> None:
    async with running(renderer, refuse_unknown_fields=True) as run:
        found = (await run.client.get("/openapi.json")).json()
        assert found == described(unknown_fields=False).document


async def read_adapter(name: str, source: str) -> ServedModel:
    adapter = EngineAdapter(key=source, path=Path(source), rank=8)
    return served(name, label=name, root=source, adapter=adapter)


def running_all(renderer: PromptRenderer) -> Any:
    """A server on which every operation can succeed."""
    return running(renderer, engine=TalkingEngine(), read=read_adapter, allow_adapter_updates=True)


async def test_every_example_works(renderer: PromptRenderer) -> None:
    async with running_all(renderer) as run:
        document = Document((await run.client.get("/openapi.json")).json())
        for path, methods in document.document["paths"].items():
            for method, operation in methods.items():
                content = operation.get("requestBody", {}).get("content", {})
                examples = content.get("application/json", {}).get("examples", {})
                for name, example in examples.items():
                    reply = await run.client.request(method, path, json=example["value"])
                    assert reply.status_code == 200, (name, reply.text)


Given = set[tuple[str, str, str, str]]
# Only a limit of a key's is in the way of what has no body.
NOT_GIVEN: Given = {("post", "/v1/responses/{response_id}/cancel", "429", "application/json")}


def all_described(document: Document) -> Given:
    return {
        (method, path, status, media_type)
        for path, methods in document.document["paths"].items()
        for method, operation in methods.items()
        for status, response in operation["responses"].items()
        for media_type in response.get("content", {"": None})
    }


async def ask_everything(run: Running, given: Given, **how: Any) -> None:
    """Send a request to every operation; note what came."""
    for operation in how.get("operations", OPERATIONS):
        if operation.method not in how.get("methods", (operation.method,)):
            continue
        path = operation.path.format(**dict.fromkeys(operation.path_parameters, "chat"))
        bodies = list(operation.example_bodies(how.get("model", "chat")).values())
        for body in bodies or [{}]:
            content = how.get("content") or json.dumps(body)
            headers = {"Content-Type": how.get("content_type", "application/json")}
            reply = await run.client.request(
                operation.method, path, headers=headers, content=content if body else None
            )
            media_type = reply.headers.get("content-type", "").partition(";")[0]
            given.add((operation.method, operation.path, str(reply.status_code), media_type))


async def test_every_response_that_is_described_is_given(
    renderer: PromptRenderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The running server holds each against the document; this one shows that none is left out."""
    given: Given = set()
    async with running_all(renderer) as run:
        await ask_everything(run, given)
        await ask_everything(run, given, content="{")
        await ask_everything(run, given, content_type="text/plain")
        await ask_everything(run, given, model="nobody")
        given.add(("get", "/v1/models/{model_id}", "404", "application/json"))
        assert (await run.client.get("/v1/models/nobody")).status_code == 404
        refusal = served("refused", label="refused", refusal="it is on an overlay")
        run.server.catalog._models["refused"] = refusal
        assert (await run.client.get("/v1/models/refused")).status_code == 400
        given.add(("get", "/v1/models/{model_id}", "400", "application/json"))
        for error in (PermissionDenied("no"), RateLimited("slower", retry_after_s=3)):
            with monkeypatch.context() as patched:
                patched.setattr(run.server.catalog, "resolve", raising(error))
                patched.setattr(type(run.server.catalog), "base", property(raising(error)))
                await ask_everything(run, given, methods=("post",))
        for refusal_of_change in (
            PermissionDenied("no"),
            RateLimited("slower", retry_after_s=3),
            AdapterConflict("busy"),
            UnknownModel("none"),
        ):
            with monkeypatch.context() as patched:
                patched.setattr("server.routes.adapters.server_of", raising(refusal_of_change))
                for operation in ADAPTER_OPERATIONS:
                    if type(refusal_of_change) in operation.errors:
                        await ask_everything(run, given, operations=[operation])
        with monkeypatch.context() as patched:
            patched.setattr("server.routes.context._read", raising(TimeoutError()))
            await ask_everything(run, given, methods=("post",))
        with monkeypatch.context() as patched:
            patched.setattr(run.server.lifecycle, "_ready", False)
            await ask_everything(run, given)
            patched.setattr(run.server.lifecycle, "_engine_died", True)
            await ask_everything(run, given)
    async with running(
        renderer, max_body_bytes=1024, metrics_port=1, allow_adapter_updates=True
    ) as run:
        await ask_everything(run, given, content=" " * 2000)
    assert all_described(described()) - given == NOT_GIVEN | all_of("500")


def all_of(status: str) -> Given:
    return {entry for entry in all_described(described()) if entry[2] == status}


def raising(error: Exception) -> Any:
    def raises(*_: object) -> None:
        raise error

    return raises


async def test_bugs_and_wrong_keys_are_described_everywhere(
    renderer: PromptRenderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: Given = set()
    keyed = described(has_keys=True)
    async with running(renderer, api_key=("k",)) as run:
        await ask_everything(run, given)
        run.client.headers["Authorization"] = "Bearer k"
        monkeypatch.setattr(APIRoute, "handle", broken)
        await ask_everything(run, given)
    wanted = {entry for entry in all_described(keyed) if entry[2] in ("401", "500")}
    assert wanted <= given


async def broken(*_: object) -> None:
    raise RuntimeError("a bug")


def test_a_document_that_is_wrong_is_found_out() -> None:
    """The reader of documents that the other tests rely on."""
    reader = described()
    ok = {"content-type": "application/json", "x-request-id": "a"}
    version = ("get", "/version", 200)
    assert reader.response_problems(*version, ok, b'{"version": "1"}') == []
    assert reader.response_problems(*version, ok, b'{"version": "1", "more": 1}')
    assert reader.response_problems(*version, ok, b"{}")
    assert reader.response_problems(*version, {**ok, "x-request-id": ""}, b'{"version": "1"}')
    assert reader.response_problems("get", "/version", 201, ok, b'{"version": "1"}')
    assert reader.response_problems(*version, {**ok, "content-type": "text/html"}, b"")
    streamed = {**ok, "content-type": EVENT_STREAM}
    chat = ("post", "/v1/chat/completions", 200)
    assert reader.response_problems(*chat, streamed, b"data: [DONE]\n\n") == []
    assert reader.response_problems(*chat, streamed, b'data: {"a": 1}\n\ndata: [DONE]\n\n')
    assert reader.response_problems(*chat, streamed, b"data: [DONE]\n\ndata: [DONE]\n\n")
    stop = b'event: message_stop\ndata: {"type": "message_stop"}\n\n'
    messages = ("post", "/v1/messages", 200)
    headers = {**streamed, "request-id": "a"}
    assert reader.response_problems(*messages, headers, stop) == []
    assert reader.response_problems(*messages, headers, stop.replace(b"event: m", b"event: n"))
    assert reader.response_problems("get", "/nowhere", 200, ok, b"{}")
