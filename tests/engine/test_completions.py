"""Text completions on real weights: prompts are scored as they are generated, several at once, the best of several."""

from typing import Any

import httpx2 as httpx
import pytest
from vllm.outputs import CompletionOutput, RequestOutput

from server.engine import PromptFacts
from server.vllm_values import prompt_facts

LIST = "# Names of the months\nJanuary, February, March, April,"
PROMPTS = (LIST, "The capital of France is", "1, 2, 3, 4, 5, 6,")
# In nats. Scored, a text is computed at once; generated, one token after the other: bfloat16 rounds otherwise.
MAX_DIFFERENCE = 0.5


def complete(client: httpx.Client, **fields: Any) -> dict[str, Any]:
    body = {"model": "demo", "temperature": 0, "max_tokens": 8, **fields}
    reply = client.post("/v1/completions", json=body)
    assert reply.status_code == 200, reply.text
    made: dict[str, Any] = reply.json()
    return made


def ids(client: httpx.Client, text: str, **fields: Any) -> list[int]:
    found: list[int] = client.post("/tokenize", json={"prompt": text, **fields}).json()["tokens"]
    return found


def test_prompts_as_text_and_as_ids_are_answered_alike(client: httpx.Client) -> None:
    texts = [c["text"] for c in complete(client, prompt=list(PROMPTS))["choices"]]
    as_ids = complete(client, prompt=[ids(client, prompt) for prompt in PROMPTS])
    assert [c["index"] for c in as_ids["choices"]] == [0, 1, 2]
    assert "May" in texts[0]
    assert "7" in texts[2]
    alike = [a == c["text"] for a, c in zip(texts, as_ids["choices"], strict=True)]
    assert alike == [True] * 3


@pytest.mark.parametrize("model", ["demo", "pydoc"])
def test_a_text_is_scored_as_it_was_generated(client: httpx.Client, model: str) -> None:
    """By the base and by an adapter, whose guards do not touch a score."""
    off: dict[str, Any] = {"model": model, "endturn": {"guards": False}}
    [made] = complete(client, prompt=LIST, logprobs=1, **off)["choices"]
    generated = made["logprobs"]["token_logprobs"]
    [scored] = complete(
        client, prompt=LIST + made["text"], echo=True, logprobs=1, max_tokens=0, **off
    )["choices"]
    assert scored["text"] == LIST + made["text"]
    assert scored["finish_reason"] == "length"
    prompt = ids(client, LIST)
    logprobs = scored["logprobs"]
    assert logprobs["token_logprobs"][0] is None
    if logprobs["tokens"][len(prompt) :] != made["logprobs"]["tokens"]:
        pytest.skip("joined, the two texts have other tokens")
    again = logprobs["token_logprobs"][len(prompt) :]
    assert max(abs(a - b) for a, b in zip(generated, again, strict=True)) < MAX_DIFFERENCE
    for token, start in zip(logprobs["tokens"][1:], logprobs["text_offset"][1:], strict=True):
        assert scored["text"].startswith(token, start)


def test_an_adapter_scores_otherwise_than_its_base(client: httpx.Client) -> None:
    scores = []
    for model in ("demo", "pydoc"):
        fields = {"echo": True, "logprobs": 0, "max_tokens": 1}
        [choice] = complete(client, model=model, prompt=LIST, **fields)["choices"]
        scores.append(choice["logprobs"]["token_logprobs"][1:-1])
        assert len(choice["logprobs"]["tokens"]) == len(ids(client, LIST)) + 1
    assert max(abs(a - b) for a, b in zip(*scores, strict=True)) > 0.1


def test_the_best_of_four_is_the_likeliest_of_the_four(client: httpx.Client) -> None:
    fields = {"prompt": PROMPTS[1], "temperature": 1.0, "seed": 3, "logprobs": 0}
    four = complete(client, n=4, **fields)["choices"]
    means = [sum(v) / len(v) for v in (c["logprobs"]["token_logprobs"] for c in four)]
    reply = complete(client, best_of=4, **fields)
    [best] = reply["choices"]
    assert best["text"] == four[means.index(max(means))]["text"]
    assert reply["usage"]["completion_tokens"] == 32


def test_a_prompt_is_found_in_the_cache_unless_it_is_salted_or_scored(client: httpx.Client) -> None:
    prompt = "cached " * 300  # several of the cache's blocks
    usages = [
        complete(client, prompt=prompt, **fields)["usage"]["prompt_tokens_details"]
        for fields in ({}, {}, {"cache_salt": "mine"}, {"prompt_logprobs": 0})
    ]
    first, again, salted, scored = (usage["cached_tokens"] for usage in usages)
    assert again > max(first, salted)
    assert (salted, scored) == (0, 0)


def test_vllms_prompt_logprobs_name_each_token(client: httpx.Client) -> None:
    prompt = ids(client, LIST)
    [choice] = complete(client, prompt=prompt, prompt_logprobs=2)["choices"]
    first, *listed = choice["prompt_logprobs"]
    assert first is None
    for token_id, entries in zip(prompt[1:], listed, strict=True):
        assert str(token_id) in entries
        assert {1, 2} <= {entry["rank"] for entry in entries.values()}


def test_a_request_that_ended_before_its_prompt_was_read_has_no_scores() -> None:
    """vLLM then has the first token's None, and nothing of the others."""
    aborted = CompletionOutput(0, "", [], None, None, finish_reason="abort")
    output = RequestOutput("r", None, [1, 2, 3], [None], [aborted], True, num_cached_tokens=0)
    assert prompt_facts(output, 1) == PromptFacts(num_cached_tokens=0)
