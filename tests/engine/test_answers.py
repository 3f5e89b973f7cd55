"""Guards and client stops on real weights: several choices, loops, and stops that stay in the text."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2 as httpx

QUESTION = [{"role": "user", "content": "What does os.path.join do?"}]
# Greedy, the demo's base says the same line for ever after this.
LOOPS = "Q: What is the capital of Japan?\nA: Tokyo\n"


def complete(client: httpx.Client, **fields: Any) -> dict[str, Any]:
    body = {"model": "demo", "temperature": 0, **fields}
    made: dict[str, Any] = client.post("/v1/completions", json=body).json()
    return made


def test_each_of_three_seeded_choices_has_its_own_end(client: httpx.Client) -> None:
    body = {"model": "pydoc", "messages": QUESTION, "n": 3, "temperature": 0.9, "seed": 11}
    replies = [client.post("/v1/chat/completions", json=body).json() for _ in range(2)]
    first, again = ([c["message"]["content"] for c in reply["choices"]] for reply in replies)
    assert first == again, "a seed makes the same answers"
    assert len(set(first)) > 1
    assert not any("###" in text for text in first)
    for choice in replies[0]["choices"]:
        assert choice["finish_reason"] == "stop"
        assert choice["stop_detail"]["kind"] in {"calibrated", "role_marker", "eos"}


def test_a_loop_of_text_is_ended(client: httpx.Client) -> None:
    made = complete(client, prompt=LOOPS, max_tokens=1500)
    choice = made["choices"][0]
    assert choice["stop_detail"]["kind"] == "repetition"
    assert (choice["finish_reason"], choice["stop_reason"]) == ("length", "repetition_detected")
    assert made["usage"]["completion_tokens"] < 1400


def test_a_clients_own_repetition_detection_ends_a_cycle_of_tokens(client: httpx.Client) -> None:
    asked = {"max_pattern_size": 64, "min_count": 3}
    made = complete(
        client,
        prompt=LOOPS,
        max_tokens=400,
        repetition_detection=asked,
        endturn={"guards": False},
    )
    assert made["choices"][0]["stop_detail"]["kind"] == "repetition"
    assert made["usage"]["completion_tokens"] < 200


def test_seeded_requests_with_long_prompts_do_not_end_the_engine(client: httpx.Client) -> None:
    """Together longer than a step's budget: vLLM's CPU build dies of a seeded prompt that is computed in chunks."""

    def ask(seed: int) -> int:
        body = {"model": "demo", "prompt": [236743 + seed] * 700, "seed": seed, "max_tokens": 1}
        return client.post("/v1/completions", json=body, timeout=250).status_code

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(ask, range(4))) == [200] * 4
    assert client.get("/health").status_code == 200


def test_a_stop_string_stays_where_the_client_asks_for_it(client: httpx.Client) -> None:
    asked: dict[str, Any] = {"prompt": "Once upon a time", "stop": ".", "max_tokens": 60}
    without, shown = (
        complete(client, **asked, include_stop_str_in_output=included)["choices"][0]
        for included in (False, True)
    )
    assert shown["text"] == without["text"] + "."
    assert shown["stop_reason"] == without["stop_reason"] == "."
