"""What vLLM's chat takes beyond OpenAI's: each extension with its effect, where it has one that a client can see."""

from collections.abc import Sequence
from typing import Any

from .chat_features import CHAT, MAX_TOKENS, PREFILL, QUESTION, said
from .choices import num_prompt_tokens, num_tokens, texts, whole
from .exchange import Reply
from .feature import Check, accepts, expect
from .sampling_features import ONLY_A, A, B


def _token_ids(replies: Sequence[Reply]) -> str | None:
    body = replies[0].body
    if body["choices"][0].get("token_ids") is None:
        return "ignored"
    expect(body["choices"][0]["token_ids"] == [A] * MAX_TOKENS, "other ids")
    expect(len(body["prompt_token_ids"]) == num_prompt_tokens(replies[0]), "no ids of the prompt")
    return None


def _tokens_as_ids(replies: Sequence[Reply]) -> str | None:
    [choice] = whole(replies[0])
    return None if choice.logprobs["content"][0]["token"] == f"token_id:{A}" else "ignored"


def _chosen_logprobs(replies: Sequence[Reply]) -> str | None:
    [choice] = whole(replies[0])
    tokens = {entry["token"] for entry in choice.logprobs["content"][0]["top_logprobs"]}
    return None if tokens >= {"a", "b"} else "ignored"


def _logprobs_of_prompt(replies: Sequence[Reply]) -> str | None:
    listed = replies[0].body.get("prompt_logprobs")
    if not listed:
        return "ignored"
    expect(len(listed) == num_prompt_tokens(replies[0]), f"{len(listed)} entries")
    return None


def _prompt_has(number: int) -> Check:
    def check(replies: Sequence[Reply]) -> str | None:
        found = num_prompt_tokens(replies[-1])
        return None if found == number else "ignored"

    return check


def _one_token_more(replies: Sequence[Reply]) -> str | None:
    without, with_them = (num_prompt_tokens(reply) for reply in replies)
    return None if with_them == without + 1 else "ignored"


def _is_the_id(replies: Sequence[Reply]) -> str | None:
    return None if replies[0].body["id"] == "chatcmpl-asked-for" else "ignored"


def _echoes(replies: Sequence[Reply]) -> str | None:
    [text] = texts(replies)
    return None if text.startswith(PREFILL) else "ignored"


def _two_beams(replies: Sequence[Reply]) -> None:
    choices = whole(replies[0])
    expect(len(choices) == 2, f"{len(choices)} choices")
    expect(num_tokens(replies[0]) > 0, "no tokens")


def _prompt_text(replies: Sequence[Reply]) -> str | None:
    text = replies[0].body.get("prompt_text")
    return None if text and QUESTION in text else "ignored"


_PREFILLED: dict[str, Any] = said(
    ("user", QUESTION),
    ("assistant", PREFILL),
    continue_final_message=True,
    add_generation_prompt=False,
)

FEATURES = (
    CHAT.feature(
        "return_token_ids", _token_ids, {"return_token_ids": True, **ONLY_A}, needs="scripted"
    ),
    CHAT.feature(
        "return_tokens_as_token_ids",
        _tokens_as_ids,
        {"return_tokens_as_token_ids": True, "logprobs": True, **ONLY_A},
    ),
    CHAT.feature(
        "return_prompt_text", _prompt_text, {"return_prompt_text": True}, needs="scripted"
    ),
    CHAT.feature(
        "logprob_token_ids", _chosen_logprobs, {"logprob_token_ids": [A, B], "logprobs": True}
    ),
    CHAT.feature("prompt_logprobs", _logprobs_of_prompt, {"prompt_logprobs": 1}),
    CHAT.feature(
        "truncate_prompt_tokens", _prompt_has(5), {"truncate_prompt_tokens": 5}, needs="scripted"
    ),
    CHAT.feature(
        "add_special_tokens",
        _one_token_more,
        {"add_special_tokens": False},
        {"add_special_tokens": True},
    ),
    CHAT.feature("cache_salt", accepts, {"cache_salt": "a-salt"}),
    CHAT.feature(
        "documents",
        accepts,
        {"documents": [{"title": "os", "text": "os.path joins."}]},
        needs="scripted",
    ),
    CHAT.feature("echo", _echoes, {"echo": True, **_PREFILLED}, needs="scripted"),
    CHAT.feature(
        "use_beam_search", _two_beams, {"use_beam_search": True, "n": 2}, needs="scripted"
    ),
    CHAT.feature("request_id", _is_the_id, {"request_id": "asked-for"}, needs="scripted"),
    CHAT.feature("priority", accepts, {"priority": 1}),
    CHAT.feature("thinking_token_budget", accepts, {"thinking_token_budget": 10}, needs="scripted"),
    CHAT.feature("vllm_xargs", accepts, {"vllm_xargs": {"name": "value"}}, needs="scripted"),
)
