"""Structured output and demanded tool calls on the session's real server and the demo's model, by the openai client."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from .conftest import Process

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "pattern": "^[A-Za-z]{1,12}$"},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 3},
    },
    "required": ["name", "age", "tags"],
    "additionalProperties": False,
}
MESSAGES: list[Any] = [{"role": "user", "content": "Describe a person."}]


@pytest.fixture
def client(process: Process) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{process.url}/v1", api_key="none", timeout=120) as made:
        yield made


def ask(client: openai.OpenAI, **fields: Any) -> tuple[str, str, Any]:
    """Content, finish reason and kind; the stream must say the same as the whole answer."""
    body = {"model": "demo", "messages": MESSAGES, "temperature": 0, "max_tokens": 120, **fields}
    [choice] = client.chat.completions.create(**body).choices
    content, reason = "", None
    for chunk in client.chat.completions.create(**body, stream=True):
        content += chunk.choices[0].delta.content or ""
        reason = chunk.choices[0].finish_reason or reason
    assert (content, reason) == (choice.message.content, choice.finish_reason)
    return content, choice.finish_reason, choice.stop_detail["kind"]


def extra(**fields: Any) -> dict[str, Any]:
    return {"extra_body": {"structured_outputs": fields}}


def test_an_answer_follows_its_json_schema(client: openai.OpenAI) -> None:
    given = {"type": "json_schema", "json_schema": {"name": "p", "schema": SCHEMA, "strict": True}}
    options = {"structured_outputs": {"json": SCHEMA, "disable_any_whitespace": True}}
    for fields in ({"response_format": given}, {"extra_body": options}):
        content, reason, kind = ask(client, **fields)
        person = json.loads(content)
        assert sorted(person) == ["age", "name", "tags"]
        assert person["name"].isalpha()
        assert 0 <= person["age"] <= 150
        assert set(person["tags"]) <= {"a", "b"}
        assert (reason, kind) == ("stop", "eos")


@pytest.mark.parametrize(
    ("fields", "answers"),
    [
        (extra(choice=["yes", "no"]), {"yes", "no"}),
        (extra(grammar='root ::= "a" | "bb"'), {"a", "bb"}),
        (extra(regex="(ab|cd){2}"), {"abab", "abcd", "cdab", "cdcd"}),
    ],
    ids=["choice", "grammar", "regex"],
)
def test_other_constraints_hold_and_end_the_answer(
    client: openai.OpenAI, fields: dict[str, Any], answers: set[str]
) -> None:
    content, reason, _ = ask(client, **fields)
    assert content in answers
    assert reason == "stop"


def test_an_adapter_is_held_to_a_constraint_too(client: openai.OpenAI) -> None:
    content, reason, _ = ask(client, model="pydoc", **extra(choice=["yes", "no"]))
    assert content in {"yes", "no"}
    assert reason == "stop"


@pytest.mark.parametrize(
    "fields",
    [extra(json={"type": "nonsense"}), extra(regex="("), extra(grammar="root ::=")],
    ids=["schema", "regex", "grammar"],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_constraint_that_is_none_is_refused_before_the_stream(
    client: openai.OpenAI, fields: dict[str, Any], stream: bool
) -> None:
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="demo", messages=MESSAGES, stream=stream, **fields)
    # The engine goes on.
    assert ask(client, max_tokens=1)[1] == "length"


def test_only_allowed_tokens_come(client: openai.OpenAI) -> None:
    body: dict[str, Any] = {
        "model": "demo",
        "messages": MESSAGES,
        "max_tokens": 4,
        "logprobs": True,
    }
    biased = client.chat.completions.create(**body, logit_bias={"236776": 100}, temperature=0)
    allowed = client.chat.completions.create(**body, extra_body={"allowed_token_ids": [236776]})
    for reply in (biased, allowed):
        listed = reply.choices[0].logprobs
        assert listed is not None
        assert len({entry.token for entry in listed.content or []}) == 1
