"""Text completions: prompts of every kind, what is said of their tokens, and what is refused."""

from collections.abc import Sequence

from .chat_features import MAX_TOKENS
from .choices import num_prompt_tokens, num_tokens, streamed, texts, whole
from .exchange import Reply
from .feature import Check, Endpoint, accepts, expect
from .sampling_features import A

PROMPT = "Once upon a time"
COMPLETIONS = Endpoint(
    name="completions",
    path="/v1/completions",
    defaults={"model": "demo", "prompt": PROMPT, "temperature": 0, "max_tokens": MAX_TOKENS},
)
_LISTED = ("tokens", "token_logprobs", "top_logprobs", "text_offset")
_ONLY_A = {"allowed_token_ids": [A]}


def _is_a_completion(replies: Sequence[Reply]) -> None:
    body = replies[0].body
    expect(body["object"] == "text_completion", f"object is {body['object']}")
    [choice] = whole(replies[0])
    expect(
        bool(choice.text) and choice.finish_reason == "length", f"no text of {MAX_TOKENS} tokens"
    )


def _stream_is_whole(replies: Sequence[Reply]) -> None:
    [of_whole], [of_stream] = whole(replies[0]), streamed(replies[1])
    expect(of_stream.text == of_whole.text, "another text than without a stream")


def _choices(number: int) -> Check:
    def check(replies: Sequence[Reply]) -> None:
        reply = replies[-1]
        choices = streamed(reply) if reply.events else whole(reply)
        expect(len(choices) == number, f"{len(choices)} choices")
        expect(all(choice.finish_reason for choice in choices), "a choice does not end")

    return check


def _same_text(replies: Sequence[Reply]) -> None:
    expect(len(set(texts(replies))) == 1, "another text")


def _logprobs(replies: Sequence[Reply]) -> None:
    [choice] = whole(replies[0])
    listed = choice.logprobs
    lengths = {len(listed[name]) for name in _LISTED}
    expect(lengths == {num_tokens(replies[0])}, "not one entry a token")
    expect(len(listed["top_logprobs"][0]) >= 2, "not two likely tokens")
    expect("".join(listed["tokens"]) == choice.text, "the tokens are not the text")
    offsets = [len("".join(listed["tokens"][:i])) for i in range(len(listed["tokens"]))]
    expect(listed["text_offset"] == offsets, "the offsets are not those of the text")


def _echoes(replies: Sequence[Reply]) -> None:
    [text] = texts(replies)
    expect(text.startswith(PROMPT) and len(text) > len(PROMPT), f"says {text[:20]!r}")


def _echoes_logprobs(replies: Sequence[Reply]) -> None:
    [choice] = whole(replies[0])
    listed, number = choice.logprobs, num_prompt_tokens(replies[0]) + num_tokens(replies[0])
    expect(len(listed["tokens"]) == number, f"{len(listed['tokens'])} of {number} tokens")
    expect(listed["token_logprobs"][0] is None, "the first token has a probability")
    expect(None not in listed["token_logprobs"][1:], "a later one has none")


def _scores_the_prompt(replies: Sequence[Reply]) -> None:
    [choice] = whole(replies[0])
    expect(choice.text == PROMPT, f"says {choice.text[:20]!r}")
    expect(len(choice.logprobs["tokens"]) == num_prompt_tokens(replies[0]), "not one a token")


def _logprobs_of_prompt(replies: Sequence[Reply]) -> str | None:
    listed = replies[0].body["choices"][0].get("prompt_logprobs")
    if not listed:
        return "ignored"
    expect(len(listed) == num_prompt_tokens(replies[0]), f"{len(listed)} entries")
    return None


def _sixteen_tokens(replies: Sequence[Reply]) -> None:
    expect(num_tokens(replies[0]) == 16, "more tokens")


def _is_picked(replies: Sequence[Reply]) -> str | None:
    number = num_tokens(replies[0])
    return None if number > MAX_TOKENS else "ignored"


def _stops(replies: Sequence[Reply]) -> None:
    [choice] = whole(replies[0])
    expect((choice.text, choice.finish_reason) == ("", "stop"), f"says {choice.text[:20]!r}")


# What "Once upon a time" is in the demo's vocabulary, with the token that begins a text.
_IDS = [2, 14946, 3324, 496, 990]

FEATURES = (
    COMPLETIONS.feature("an answer", _is_a_completion),
    COMPLETIONS.feature("an adapter's answer", _choices(1), {"model": "pydoc"}),
    COMPLETIONS.feature("stream: the same answer", _stream_is_whole, {}, {"stream": True}),
    COMPLETIONS.feature("prompt: token ids", _same_text, {}, {"prompt": _IDS}),
    COMPLETIONS.feature("prompt: a list of texts", _choices(2), {"prompt": [PROMPT, "Hello"]}),
    COMPLETIONS.feature(
        "prompt: a list, streamed", _choices(2), {"prompt": [PROMPT, "Hello"], "stream": True}
    ),
    COMPLETIONS.feature("prompt: lists of token ids", _choices(2), {"prompt": [_IDS, [2, 9259]]}),
    COMPLETIONS.feature(
        "prompt: a list, n = 2",
        _choices(4),
        {"prompt": [PROMPT, "Hello"], "n": 2, "temperature": 1},
    ),
    COMPLETIONS.refused("prompt: empty", {"prompt": []}),
    COMPLETIONS.feature(
        "add_special_tokens: false",
        lambda replies: expect(
            num_prompt_tokens(replies[0]) == num_prompt_tokens(replies[1]) + 1, "ignored"
        ),
        {},
        {"add_special_tokens": False},
    ),
    COMPLETIONS.feature(
        "max_tokens left out: 16",
        _sixteen_tokens,
        {"max_tokens": ..., "stop": "a" * 18, **_ONLY_A},
        field="max_tokens",
    ),
    COMPLETIONS.feature("n = 2", _choices(2), {"n": 2, "temperature": 1}),
    COMPLETIONS.feature("stop: text", _stops, {"stop": "aaa", **_ONLY_A}),
    COMPLETIONS.feature("logprobs", _logprobs, {"logprobs": 2}),
    COMPLETIONS.feature("echo", _echoes, {"echo": True}),
    COMPLETIONS.feature("echo + logprobs", _echoes_logprobs, {"echo": True, "logprobs": 1}),
    COMPLETIONS.feature(
        "echo + logprobs, max_tokens: 0",
        _scores_the_prompt,
        {"echo": True, "logprobs": 1, "max_tokens": 0},
    ),
    COMPLETIONS.feature("prompt_logprobs", _logprobs_of_prompt, {"prompt_logprobs": 1}),
    COMPLETIONS.feature("best_of", _is_picked, {"best_of": 2, "temperature": 1}),
    COMPLETIONS.refused("suffix", {"suffix": "The end."}),
    COMPLETIONS.feature("user", accepts, {"user": "ann"}, needs="scripted"),
    COMPLETIONS.feature("an unknown field", accepts, {"no_such_field": 1}, needs="scripted"),
)
