"""What a request must look like: the document and the server say the same, with every rule that JSON Schema can express."""

import json
from functools import cache
from typing import Any

import pytest

from server.openapi.document import ServerFacts, document
from server.prompt import PromptRenderer
from tests.fakes import served
from tests.server.fuzzing import TEMPLATE
from tests.server.markup_parsers import MarkupParsers
from tests.server.openapi_reading import Document
from tests.server.running import running
from tests.server.talking_engine import TalkingEngine

USER: Any = [{"role": "user", "content": "hi"}]
TOOL: Any = {"type": "function", "function": {"name": "look"}}
SCHEMA: Any = {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}}
CALL: Any = {"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
NAMED: Any = {"type": "function", "name": "look"}
PATHS = {
    "chat": ("/v1/chat/completions", {"model": "chat", "messages": USER}),
    "text": ("/v1/completions", {"model": "chat", "prompt": "hi"}),
    "responses": ("/v1/responses", {"model": "chat", "input": "hi"}),
    "messages": ("/v1/messages", {"model": "chat", "messages": USER, "max_tokens": 9}),
    "count": ("/v1/messages/count_tokens", {"model": "chat", "messages": USER}),
    "tokenize": ("/tokenize", {"model": "chat", "prompt": "hi"}),
    "detokenize": ("/detokenize", {"model": "chat", "tokens": [97]}),
}


def turn(role: str, *blocks: Any) -> Any:
    return {"messages": [{"role": role, "content": list(blocks)}]}


def items(*given: Any) -> Any:
    return {"input": list(given)}


# (api, fields that are right, the same gone wrong)
PAIRS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("chat", {"temperature": 2}, {"temperature": 2.1}),
    ("chat", {"temperature": 0}, {"temperature": "0"}),
    ("chat", {"top_p": 1}, {"top_p": 0}),
    ("chat", {"n": 1}, {"n": 129}),
    ("chat", {"n": None}, {"n": 1.5}),
    ("chat", {"model": "chat"}, {"model": ""}),
    ("chat", {"messages": USER}, {"messages": []}),
    ("chat", {"messages": [*USER, {"role": "tool", "tool_call_id": "1", "content": ""}]},
     {"messages": [*USER, {"role": "tool", "content": ""}]}),
    ("chat", {"messages": [*USER, {"role": "assistant", "tool_calls": [CALL]}]},
     {"messages": [*USER, {"role": "user", "tool_calls": [CALL]}]}),
    ("chat", {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}]},
     {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}),
    ("chat", {"stop": ["a"] * 64}, {"stop": ["a"] * 65}),
    ("chat", {"stop": "a" * 512}, {"stop": "a" * 513}),
    ("chat", {"stop_token_ids": [0]}, {"stop_token_ids": [-1]}),
    ("chat", {"logit_bias": {"7": -100}}, {"logit_bias": {"7": -101}}),
    ("chat", {"logit_bias": {"7": 1}}, {"logit_bias": {"x": 1}}),
    ("chat", {"logprobs": True, "top_logprobs": 20}, {"top_logprobs": 20}),
    ("chat", {"top_logprobs": 0}, {"logprobs": True, "top_logprobs": 21}),
    ("chat", {"tools": [TOOL], "tool_choice": "required"}, {"tool_choice": "required"}),
    ("chat", {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "look"}}},
     {"tools": [], "tool_choice": {"type": "function", "function": {"name": "look"}}}),
    ("chat", {"tools": [TOOL]}, {"tools": [{"type": "function", "function": {"name": "a b"}}]}),
    ("chat", {"response_format": SCHEMA}, {"response_format": {"type": "json_schema"}}),
    ("chat", {"response_format": {"type": "text"}, "structured_outputs": {"regex": "a"}},
     {"response_format": SCHEMA, "structured_outputs": {"regex": "a"}}),
    ("chat", {"structured_outputs": {"choice": ["a"]}},
     {"structured_outputs": {"choice": ["a"], "regex": "a"}}),
    ("chat", {"structured_outputs": {"json": "{}"}}, {"structured_outputs": {}}),
    ("chat", {"repetition_detection": {"max_pattern_size": 2, "min_count": 2}},
     {"repetition_detection": {"max_pattern_size": 2}}),
    ("chat", {"repetition_detection": {}}, {"repetition_detection": {"min_pattern_size": 1}}),
    ("chat", {"endturn": {"guards": {"loops": False}}}, {"endturn": {"guards": {"loop": False}}}),
    ("chat", {"endturn": {"guards": False}}, {"endturn": {"guard": False}}),
    ("chat", {"chat_template_kwargs": {"a": 1}}, {"chat_template_kwargs": {"messages": []}}),
    ("chat", {"prompt_logprobs": 1}, {"prompt_logprobs": 1, "stream": True}),
    ("chat", {"suffix": "", "functions": None}, {"suffix": "a"}),
    ("chat", {"functions": []}, {"functions": [{"name": "a"}]}),
    ("chat", {"metadata": {"a": "b"}}, {"metadata": {"a": "b" * 513}}),
    ("chat", {"reasoning_effort": "low"}, {"reasoning_effort": "lowest"}),
    ("text", {"prompt": [97]}, {"prompt": []}),
    ("text", {"prompt": [[97], [98]]}, {"prompt": [[97], []]}),
    ("text", {"prompt": ["a", "b"]}, {"prompt": ["a", 98]}),
    ("text", {"max_tokens": 0, "echo": True}, {"max_tokens": 0}),
    ("text", {"best_of": 1}, {"best_of": 0}),
    ("text", {"suffix": ""}, {"suffix": "a"}),
    ("responses", items({"role": "user", "content": "a"}), items({"role": "user"})),
    ("responses", items({"role": "user", "content": [{"type": "input_text", "text": "a"}]}),
     items({"role": "user", "content": [{"type": "input_image"}]})),
    ("responses", items({"role": "user", "content": "a"}), items({"content": "a"})),
    ("responses", items({"role": "user", "content": "a"}, {"type": "reasoning"}),
     items({"type": "reasoning"})),
    ("responses", items({"type": "function_call", "call_id": "1", "name": "look"}),
     items({"type": "function_call", "name": "look"})),
    ("responses",
     items({"type": "function_call", "call_id": "1", "name": "look"},
           {"type": "function_call_output", "call_id": "1", "output": "a"}),
     items({"type": "function_call", "call_id": "1", "name": "look"},
           {"type": "function_call_output", "output": "a"})),
    ("responses", {"input": "a"}, {"input": ""}),
    ("responses", {"input": "a"}, {"input": []}),
    ("responses", {"previous_response_id": None}, {"previous_response_id": "resp_1"}),
    ("responses", {"tools": [NAMED], "tool_choice": NAMED}, {"tool_choice": NAMED}),
    ("responses", {"tools": [NAMED]}, {"tools": [{"type": "web_search"}]}),
    ("responses", {"text": {"format": {"type": "json_schema", "name": "a", "schema": {}}}},
     {"text": {"format": {"type": "json_schema", "schema": {}}}}),
    ("responses", {"reasoning": {"effort": "low"}}, {"reasoning": {"effort": "lowest"}}),
    ("responses", {"max_output_tokens": 1}, {"max_tokens": 1}),
    ("responses", {"stop": "a"}, {"stop": ""}),
    ("messages", {"max_tokens": 1}, {"max_tokens": 0}),
    ("messages", {"system": [{"type": "text", "text": "a"}]}, {"system": [{"type": "text"}]}),
    ("messages", turn("user", {"type": "text", "text": "a"}), turn("user", {"type": "text"})),
    ("messages", turn("user", {"type": "text", "text": "a"}), turn("user", {"type": "image"})),
    ("messages", turn("assistant", {"type": "tool_use", "id": "1", "name": "look", "input": {}}),
     turn("user", {"type": "tool_use", "id": "1", "name": "look", "input": {}})),
    ("messages", turn("user", {"type": "tool_result", "tool_use_id": "1", "content": "a"}),
     turn("assistant", {"type": "tool_result", "tool_use_id": "1", "content": "a"})),
    ("messages", {"tools": [{"name": "look", "input_schema": {}}], "tool_choice": {"type": "any"}},
     {"tool_choice": {"type": "any"}}),
    ("messages", {"tools": [{"name": "look"}], "tool_choice": {"type": "tool", "name": "look"}},
     {"tools": [{"name": "look"}], "tool_choice": {"type": "tool"}}),
    ("messages", {"tool_choice": {"type": "auto"}}, {"tool_choice": {"type": "sometimes"}}),
    ("messages", {"tools": [{"name": "look", "type": "custom"}]},
     {"tools": [{"name": "bash", "type": "bash_20250124"}]}),
    ("messages", {"output_config": {"format": {"type": "json_schema", "schema": {}}}},
     {"output_config": {"format": {"type": "json_schema"}}}),
    ("messages", {"output_config": {"effort": "low"}}, {"output_config": {"effort": "lowest"}}),
    ("messages", {"stop_sequences": ["a"]}, {"stop": "a"}),
    ("messages", {"stop_sequences": ["a"]}, {"stop_sequences": [""]}),
    ("messages", {"thinking": {"type": "disabled"}}, {"thinking": {"type": "maybe"}}),
    ("messages", {"top_k": 5}, {"top_k": -2}),
    ("count", {"system": "a"}, {"system": 1}),
    ("count", {"thinking": None}, {"n": 2}),
    ("tokenize", {"prompt": ""}, {"messages": USER}),
    ("tokenize", {"prompt": "a"}, {"prompt": None}),
    ("detokenize", {"tokens": []}, {"tokens": [-1]}),
    ("detokenize", {"tokens": [97]}, {"tokens": [True]}),
]  # fmt: skip


@cache
def described(*, unknown_fields: bool = True) -> Document:
    facts = ServerFacts(model="chat", unknown_fields=unknown_fields)
    return Document(json.loads(json.dumps(document(facts))))


async def test_document_and_server_agree(renderer: PromptRenderer) -> None:
    model = served(template=TEMPLATE, parsers=MarkupParsers())
    async with running(renderer, model, engine=TalkingEngine()) as run:
        for api, right, wrong in PAIRS:
            path, body = PATHS[api]
            assert described().request_problems("post", path, body | right) == [], right
            reply = await run.client.post(path, json=body | right)
            assert reply.status_code == 200, (right, reply.text)
            assert described().request_problems("post", path, body | wrong), wrong
            reply = await run.client.post(path, json=body | wrong)
            assert reply.status_code == 400, (wrong, reply.text)


@pytest.mark.parametrize("api", PATHS)
async def test_unknown_fields_are_described_as_they_are_taken(
    renderer: PromptRenderer, api: str
) -> None:
    path, body = PATHS[api]
    more = {**body, "misspelt": 1}
    assert described().request_problems("post", path, more) == []
    assert described(unknown_fields=False).request_problems("post", path, more)
    model = served(template=TEMPLATE, parsers=MarkupParsers())
    async with running(renderer, model, refuse_unknown_fields=True) as run:
        assert (await run.client.post(path, json=more)).status_code == 400
        assert (await run.client.post(path, json=body)).status_code == 200
    async with running(renderer, model) as run:
        assert (await run.client.post(path, json=more)).status_code == 200


async def test_fields_that_mean_nothing_are_described_where_unknown_ones_are_refused(
    renderer: PromptRenderer,
) -> None:
    """What is accepted and ignored is accepted with the strict flag too, and the document knows."""
    strict = described(unknown_fields=False)
    ignored = 0
    model = served(template=TEMPLATE, parsers=MarkupParsers())
    async with running(renderer, model, refuse_unknown_fields=True) as run:
        for path, body in PATHS.values():
            [(_, content)] = strict.operation("post", path)["requestBody"]["content"].items()  # type: ignore[index]  # it is there
            name = content["schema"]["$ref"].rpartition("/")[2]
            fields = strict.document["components"]["schemas"][name]["properties"]
            for field, schema in fields.items():
                if schema.get("description") == "Accepted and ignored." and field not in body:
                    reply = await run.client.post(path, json={**body, field: None})
                    assert reply.status_code == 200, (field, reply.text)
                    ignored += 1
    assert ignored
