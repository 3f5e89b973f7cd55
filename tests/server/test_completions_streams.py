"""One property of text completions: for random texts, cuts and stop sets, a stream and a whole answer list the same tokens, and
each begins where it says."""

import json
from dataclasses import replace
from typing import Any

import httpx2 as httpx
from hypothesis import HealthCheck, given, settings

from server.engine import EngineDelta, PromptFacts
from tests.fakes import BOS, ids
from tests.server.running import Running
from tests.server.test_calibrated import GOES_ON
from tests.server.test_stream_equals_whole import Case, cases
from tests.server.test_stream_equals_whole import run as run

PROMPT = "é: "
PROMPT_TOKENS = (BOS, *ids(PROMPT))
FACTS = PromptFacts(logprobs=(None, *[GOES_ON] * len(ids(PROMPT))))


def script(case: Case, cut: list[int]) -> list[EngineDelta]:
    first, *rest = case.script(cut)
    return [replace(first, prompt=FACTS), *rest]


def streamed(reply: httpx.Response) -> dict[str, Any]:
    *lines, done = [line.removeprefix("data: ") for line in reply.text.split("\n\n") if line]
    assert done == "[DONE]"
    choices = [json.loads(line)["choices"][0] for line in lines]
    lists: dict[str, list[Any]] = {name: [] for name in choices[0]["logprobs"]}
    for choice in choices:
        for name, values in choice["logprobs"].items():
            lists[name] += values
    text = "".join(choice["text"] for choice in choices)
    return {**choices[-1], "text": text, "logprobs": lists}


@given(case=cases())
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_tokens_are_listed_where_they_are(run: Running, case: Case) -> None:
    body = {**case.body, "model": "chat", "prompt": PROMPT, "echo": True, "logprobs": 2}
    found = []
    for cut in case.cuts:
        for stream in (False, True):
            run.engine.enqueue(*script(case, cut))
            reply = await run.client.post("/v1/completions", json={**body, "stream": stream})
            assert reply.status_code == 200, reply.text
            found.append(streamed(reply) if stream else reply.json()["choices"][0])
    texts = {choice["text"] for choice in found}
    assert len(texts) == 1
    assert all(choice["logprobs"] == found[0]["logprobs"] for choice in found)
    [text], lists = texts, found[0]["logprobs"]
    offsets = lists["text_offset"]
    assert len({len(values) for values in lists.values()}) == 1
    assert offsets[: len(PROMPT_TOKENS)] == [0, 0, 0, 1, 2]
    assert offsets == sorted(offsets)
    for token, offset in zip(lists["tokens"], offsets, strict=True):
        is_shown = "�" not in token and token not in ("<bos>", "<eos>", "<|im_end|>")
        if is_shown and offset < len(text):
            assert text.startswith(token, offset) or token.startswith(text[offset:])
