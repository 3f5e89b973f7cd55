"""Sampling and stopping, on the base: the tokens `a` and `b` of the demo's vocabulary are forced, so that every check is exact."""

from collections.abc import Sequence
from typing import Any

from .chat_features import CHAT, MAX_TOKENS
from .choices import num_tokens, streamed, texts, whole
from .exchange import Reply
from .feature import Check, expect

# Ids of the demo's vocabulary (Gemma 3): "a", "b", and special tokens.
A, B = 236746, 236763
EOS, START_OF_TURN = 1, 105
ONLY_A = {"allowed_token_ids": [A]}
A_OR_B = {"allowed_token_ids": [A, B], "max_tokens": 8}


def _says(text: str) -> Check:
    def check(replies: Sequence[Reply]) -> None:
        [found] = texts(replies)
        expect(found == text, f"says {found[:20]!r}")

    return check


def _ends(text: str, *, by: Any, finish_reason: str = "stop") -> Check:
    """The answer is `text` and ends by the stop `by`."""

    def check(replies: Sequence[Reply]) -> None:
        [choice] = whole(replies[-1])
        expect(choice.finish_reason == finish_reason, f"ends by {choice.finish_reason}")
        expect(choice.text == text, f"says {choice.text[:20]!r}")
        expect(choice.stop_reason == by, f"stop_reason is {choice.stop_reason!r}")

    return check


def _has_tokens(number: int) -> Check:
    def check(replies: Sequence[Reply]) -> None:
        expect(num_tokens(replies[-1]) == number, f"{num_tokens(replies[-1])} tokens")

    return check


def _all_equal(replies: Sequence[Reply]) -> None:
    expect(len(set(texts(replies))) == 1, "the answers differ")


def _last_differs(replies: Sequence[Reply]) -> None:
    *same, other = texts(replies)
    expect(len(set(same)) == 1, "the answers differ")
    expect(other not in same, "it changes nothing")


def _logprobs_of_each_token(replies: Sequence[Reply]) -> None:
    [choice] = whole(replies[0])
    entries = choice.logprobs["content"]
    expect(len(entries) == num_tokens(replies[0]), f"{len(entries)} entries")
    for entry in entries:
        expect(len(entry["top_logprobs"]) == 3, f"{len(entry['top_logprobs'])} top_logprobs")
        expect(entry["logprob"] <= 0, "a probability over one")
        best = entry["top_logprobs"][0]["logprob"]
        expect(entry["logprob"] == best, "the greedy token is not the likeliest")
    written = b"".join(bytes(entry["bytes"]) for entry in entries).decode()
    expect(written == choice.text, "the bytes are not the text")


def _streamed_logprobs(replies: Sequence[Reply]) -> None:
    [of_whole], [of_stream] = whole(replies[0]), streamed(replies[1])
    tokens = [entry["token"] for entry in of_whole.logprobs["content"]]
    found = [entry["token"] for chunk in of_stream.logprobs for entry in chunk["content"]]
    expect(found == tokens, "other tokens than without a stream")


def _shows_special_tokens(replies: Sequence[Reply]) -> None:
    [text] = texts(replies)
    expect("<start_of_turn>" in text, "they are not shown")


_BIASED = {"logit_bias": {str(A): 100}}
_GREEDY_AT_HEAT = {"temperature": 2.0, "max_tokens": 6}
_AT_RANDOM = {"temperature": 1.0, "max_tokens": 8}
_LOGPROBS = {"logprobs": True, "top_logprobs": 3}

SAMPLING = (
    CHAT.feature("temperature: 0 repeats", _all_equal, {}, {}, field="temperature"),
    CHAT.feature(
        "seed repeats",
        _last_differs,
        {"seed": 7, **_AT_RANDOM},
        {"seed": 7, **_AT_RANDOM},
        {"seed": 8, **_AT_RANDOM},
    ),
    CHAT.feature("top_p", _all_equal, {"max_tokens": 6}, {"top_p": 0.0001, **_GREEDY_AT_HEAT}),
    CHAT.feature("top_k", _all_equal, {"max_tokens": 6}, {"top_k": 1, **_GREEDY_AT_HEAT}),
    CHAT.feature("min_p", _all_equal, {"max_tokens": 6}, {"min_p": 1.0, **_GREEDY_AT_HEAT}),
    CHAT.feature("presence_penalty", _last_differs, A_OR_B, {"presence_penalty": 2.0, **A_OR_B}),
    CHAT.feature("frequency_penalty", _last_differs, A_OR_B, {"frequency_penalty": 2.0, **A_OR_B}),
    CHAT.feature(
        "repetition_penalty", _last_differs, A_OR_B, {"repetition_penalty": 2.0, **A_OR_B}
    ),
    CHAT.feature("logit_bias", _says("a" * MAX_TOKENS), _BIASED),
    CHAT.feature("allowed_token_ids", _says("a" * MAX_TOKENS), ONLY_A),
    CHAT.feature("bad_words", _says("b" * 6), {"bad_words": ["a"], **A_OR_B, "max_tokens": 6}),
    CHAT.feature("logprobs + top_logprobs", _logprobs_of_each_token, _LOGPROBS),
    CHAT.feature(
        "logprobs, streamed", _streamed_logprobs, _LOGPROBS, {**_LOGPROBS, "stream": True}
    ),
    CHAT.refused("top_logprobs without logprobs", {"top_logprobs": 3}),
    CHAT.feature(
        "repetition_detection",
        _has_tokens(4),
        {
            "repetition_detection": {
                "max_pattern_size": 1,
                "min_pattern_size": 1,
                "min_count": 4,
            },
            "max_tokens": 8,
            **ONLY_A,
        },
    ),
)

STOPPING = (
    CHAT.feature("max_tokens", _has_tokens(3), {"max_tokens": 3}),
    CHAT.feature(
        "max_completion_tokens", _has_tokens(3), {"max_completion_tokens": 3, "max_tokens": ...}
    ),
    CHAT.feature("stop: text", _ends("", by="aaa"), {"stop": "aaa", **ONLY_A}),
    CHAT.feature("stop: a list", _ends("", by="aa"), {"stop": ["b", "aa"], **ONLY_A}),
    CHAT.feature(
        "stop: special token",
        _ends("", by="<start_of_turn>"),
        {"stop": "<start_of_turn>", "logit_bias": {str(START_OF_TURN): 100}},
    ),
    CHAT.feature(
        "include_stop_str_in_output",
        _ends("aaa", by="aaa"),
        {"include_stop_str_in_output": True, "stop": "aaa", **ONLY_A},
    ),
    CHAT.feature("stop_token_ids", _ends("", by=A), {"stop_token_ids": [A], **_BIASED}),
    CHAT.feature(
        "min_tokens",
        _has_tokens(5),
        {
            "min_tokens": 4,
            "max_tokens": 8,
            "stop_token_ids": [A],
            "logit_bias": {str(A): 100, str(B): 90},
        },
    ),
    CHAT.feature("the end token ends", _ends("", by=None), {"logit_bias": {str(EOS): 100}}),
    CHAT.feature(
        "ignore_eos", _has_tokens(MAX_TOKENS), {"ignore_eos": True, "logit_bias": {str(EOS): 100}}
    ),
    CHAT.feature(
        "skip_special_tokens: false",
        _shows_special_tokens,
        {"skip_special_tokens": False, "logit_bias": {str(START_OF_TURN): 100}},
    ),
)

FEATURES = (*SAMPLING, *STOPPING)
