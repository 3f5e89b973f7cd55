"""Fields that nobody knows are ignored, or refused by name where the operator wants it; OpenAI's that mean nothing here pass."""

from typing import Any

import httpx2 as httpx
import pytest

from server.prompt import PromptRenderer
from server.schema.request_object import RequestPart
from server.schema.unknown_fields import fields_of, parts_in, refuse_unknown_fields
from tests.fakes import served
from tests.server.request_kinds import REQUESTS
from tests.server.running import Running, running
from tests.server.tag_parser import TagParsers
from tests.server.test_error_table import GENERATING, POSTED

TOOL = {"type": "function", "function": {"name": "look", "parameters": {"anything": {"goes": 1}}}}
CALL = {"id": "1", "type": "function", "index": 0, "function": {"name": "look", "arguments": "{}"}}

# (path, fields, the place that is named, the nearest field or None)
UNKNOWN: list[tuple[str, dict[str, Any], str, str | None]] = [
    ("/v1/chat/completions", {"temprature": 0}, "temprature", "temperature"),
    ("/v1/chat/completions", {"zzzzzz": 0}, "zzzzzz", None),
    ("/v1/chat/completions", {"max_output_tokens": 5}, "max_output_tokens", "max_tokens"),
    ("/v1/chat/completions", {"stream_options": {"include_usages": True}}, "stream_options.include_usages", "include_usage"),
    ("/v1/chat/completions", {"tools": [{**TOOL, "strict": True}]}, "tools[0].strict", None),
    ("/v1/chat/completions", {"tools": [TOOL, {"type": "function", "function": {"name": "b", "parameter": {}}}]},
     "tools[1].function.parameter", "parameters"),
    ("/v1/chat/completions", {"tool_choice": {"type": "function", "function": {"nam": "look"}}}, "tool_choice.function.nam", "name"),
    ("/v1/chat/completions", {"response_format": {"type": "text", "jsn_schema": {}}}, "response_format.jsn_schema", "json_schema"),
    ("/v1/chat/completions", {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "shema": {}}}},
     "response_format.json_schema.shema", "schema"),
    ("/v1/chat/completions", {"endturn": {"guard": False}}, "endturn.guard", "guards"),
    ("/v1/chat/completions", {"endturn": {"guards": {"stop_heads": False}}}, "endturn.guards.stop_heads", "stop_head"),
    ("/v1/chat/completions",
     {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi", "texts": 1}]}]}, "messages[0].content[0].texts", "text"),
    ("/v1/completions", {"best_off": 1}, "best_off", "best_of"),
    ("/v1/completions", {"top_logprobs": 1}, "top_logprobs", "logprobs"),
    ("/v1/responses", {"temprature": 0}, "temprature", "temperature"),
    ("/v1/responses", {"reasoning": {"efort": "low"}}, "reasoning.efort", "effort"),
    ("/v1/responses", {"input": [{"role": "user", "contnt": "hi"}]}, "input[0].contnt", "content"),
    ("/v1/messages", {"max_token": 5}, "max_token", "max_tokens"),
    ("/v1/messages", {"endturn": {"guard": False}}, "endturn.guard", "guards"),
    ("/v1/messages", {"messages": [{"role": "user", "content": [{"type": "text", "txt": "hi"}]}]}, "messages[0].content[0].txt", "text"),
    ("/v1/messages/count_tokens", {"sytem": "hi"}, "sytem", "system"),
    ("/tokenize", {"add_special_token": True}, "add_special_token", "add_special_tokens"),
    ("/detokenize", {"token": [1]}, "token", "tokens"),
]  # fmt: skip

# What clients of each API send and that means nothing here.
HARMLESS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {
        "user": "u",
        "metadata": {"k": "v"},
        "store": True,
        "service_tier": "auto",
        "safety_identifier": "s",
        "prompt_cache_key": "p",
        "prompt_cache_retention": "24h",
        "verbosity": "low",
        "modalities": ["text"],
        "prediction": {"type": "content", "content": "x"},
        "audio": None,
        "function_call": "none",
        "stream_options": {"include_usage": False, "include_obfuscation": False},
        "parallel_tool_calls": True,
        "tools": [TOOL],
        "messages": [
            {"role": "user", "name": "n", "content": [{"type": "text", "text": "hi"}], "own": 1},
            {"role": "assistant", "content": None, "refusal": None, "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "1", "content": "x"},
        ],
    },
    "/v1/completions": {"user": "u", "suffix": None, "echo": False, "best_of": 1, "store": False},
    "/v1/responses": {
        "user": "u",
        "metadata": {"k": "v"},
        "store": True,
        "service_tier": "auto",
        "truncation": "auto",
        "max_tool_calls": 3,
        "prompt_cache_key": "p",
        "safety_identifier": "s",
        "stream_options": {"include_obfuscation": False},
        "previous_response_id": None,
        "text": {"verbosity": "low", "format": {"type": "text"}},
        "reasoning": {"effort": "low", "summary": "auto"},
        "input": [
            {"type": "message", "id": "m", "status": "completed", "role": "assistant",
             "content": [{"type": "output_text", "text": "x", "annotations": [], "logprobs": []}]},
            {"type": "reasoning", "id": "r", "summary": [], "encrypted_content": None},
            {"role": "user", "content": "hi"},
        ],
    },
    "/v1/messages": {
        "metadata": {"user_id": None},
        "service_tier": "auto",
        "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]},
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "t", "signature": "s"},
                                              {"type": "text", "text": "b", "citations": None}]},
            {"role": "user", "content": "c"},
        ],
    },
}  # fmt: skip


async def post(run: Running, path: str, **fields: Any) -> httpx.Response:
    return await run.client.post(path, json={**POSTED[path], **fields})


async def test_unknown_fields_are_refused_by_name_where_they_are_to_be(
    renderer: PromptRenderer, subtests: pytest.Subtests
) -> None:
    model = served(parsers=TagParsers())
    async with running(renderer, model, refuse_unknown_fields=True) as run:
        for path, fields, place, near in UNKNOWN:
            with subtests.test(path=path, place=place):
                reply = await post(run, path, **fields)
                assert reply.status_code == 400, reply.text
                error = reply.json()["error"]
                assert error["message"].startswith(f"{place}: there is no such field")
                assert ("did you mean" in error["message"]) == (near is not None)
                assert near is None or error["message"].endswith(f"did you mean {near}?")
                if not path.startswith("/v1/messages"):
                    assert (error["param"], error["code"]) == (place, "unknown_field")
        assert run.engine.requests == []


async def test_they_are_ignored_else(renderer: PromptRenderer, subtests: pytest.Subtests) -> None:
    """But for a misspelt guard: that would be an answer with it."""
    async with running(renderer, served(parsers=TagParsers())) as run:
        for path in POSTED:
            with subtests.test(path=path):
                reply = await post(run, path, zzz={"deep": [1, {"er": None}]}, temprature="hot")
                assert reply.status_code == 200, reply.text
        guard = await post(run, "/v1/chat/completions", endturn={"guard": False})
        assert (guard.status_code, guard.json()["error"]["param"]) == (400, "endturn")


@pytest.mark.parametrize("strict", [False, True])
async def test_what_means_nothing_here_passes(
    renderer: PromptRenderer, subtests: pytest.Subtests, *, strict: bool
) -> None:
    model = served(template="{{ tools }}x", parsers=TagParsers())
    async with running(renderer, model, refuse_unknown_fields=strict) as run:
        for path, fields in HARMLESS.items():
            with subtests.test(path=path):
                reply = await post(run, path, **fields)
                assert reply.status_code == 200, reply.text


@pytest.mark.parametrize("path", GENERATING)
async def test_nothing_that_is_ignored_reaches_the_engine(
    renderer: PromptRenderer, path: str
) -> None:
    """The same request with and without it is the same for the engine."""
    ignored = {"user": "u", "store": True, "service_tier": "flex", "prompt_cache_key": "p"}
    async with running(renderer) as run:
        await post(run, path)
        await post(run, path, **ignored)
        first, second = run.engine.requests
        assert first.sampling == second.sampling
        assert first.prompt_token_ids == second.prompt_token_ids


METADATA: list[tuple[Any, str]] = [
    ({str(i): "v" for i in range(17)}, "at most 16"),
    ({"k" * 65: "v"}, "at most 64"),
    ({"k": "v" * 513}, "at most 512"),
    ({"k": 5}, "valid string"),
    ([], "valid dictionary"),
]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/v1/responses"])
async def test_metadata_has_openais_limits(
    renderer: PromptRenderer, subtests: pytest.Subtests, path: str
) -> None:
    async with running(renderer) as run:
        for metadata, message in METADATA:
            with subtests.test(message=message):
                reply = await post(run, path, metadata=metadata)
                error = reply.json()["error"]
                assert reply.status_code == 400
                assert error["param"].startswith("metadata")
                assert message in error["message"]
        full = {"k" * 62 + f"{i:02}": "v" * 512 for i in range(16)}
        assert (await post(run, path, metadata=full)).status_code == 200


async def test_fields_that_would_change_the_answer_are_refused_in_any_case(
    renderer: PromptRenderer, subtests: pytest.Subtests
) -> None:
    refused = {
        "/v1/chat/completions": [
            "functions",
            "audio",
            "echo",
            "best_of",
            "suffix",
            "web_search_options",
        ],
        "/v1/completions": ["suffix"],
    }
    shared = ["guided_json", "use_beam_search", "truncate_prompt_tokens", "logprob_token_ids"]
    for strict in (False, True):
        async with running(renderer, refuse_unknown_fields=strict) as run:
            for path, names in refused.items():
                for name in (*names, *shared):
                    with subtests.test(path=path, name=name, strict=strict):
                        error = (await post(run, path, **{name: [7]})).json()["error"]
                        assert error["param"] == name
                        assert "not supported" in error["message"]


@pytest.mark.parametrize("kind", REQUESTS)
def test_every_field_of_every_kind_is_known(kind: type[RequestPart]) -> None:
    """Of the objects in it too: what the schema takes is never refused as unknown."""

    def sample(part: type[RequestPart]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for name, field in fields_of(part).items():
            inner = parts_in(field.annotation)
            made[name] = [sample(inner[0])] if inner else None
        return made

    refuse_unknown_fields(sample(kind), kind)
