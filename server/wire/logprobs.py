"""Log-probabilities as OpenAI writes them, for chat and for text completion. Knows tokens and text, no HTTP."""

import heapq
from collections.abc import Mapping, Sequence
from typing import Any

from ..choice import TokenLogprobs
from ..tokenizer import ChatTokenizer

# What OpenAI and vLLM write for a probability of zero: JSON has no infinity.
LEAST_LOGPROB = -9999.0


class LogprobsWriter:
    """Writes the tokens of an answer, each with the `num_top` likeliest of its step beside it."""

    def __init__(self, tokenizer: ChatTokenizer, num_top: int) -> None:
        self._tokenizer = tokenizer
        self._num_top = num_top

    def chat(self, logprobs: Sequence[TokenLogprobs]) -> list[dict[str, Any]]:
        """`logprobs.content` of a chat choice."""
        return [
            {
                **self._entry(token.token_id, token.step.sampled),
                "top_logprobs": [self._entry(i, value) for i, value in self._top(token.step.top)],
            }
            for token in logprobs
        ]

    def completion(self, logprobs: Sequence[TokenLogprobs]) -> dict[str, Any]:
        """`logprobs` of a text completion; offsets count the characters of the tokens written with it."""
        tokens = [self._text(token.token_id) for token in logprobs]
        offsets, at = [], 0
        for text in tokens:
            offsets.append(at)
            at += len(text)
        return {
            "tokens": tokens,
            "token_logprobs": [_finite(token.step.sampled) for token in logprobs],
            "top_logprobs": [
                {self._text(i): _finite(value) for i, value in self._top(token.step.top)}
                for token in logprobs
            ],
            "text_offset": offsets,
        }

    def _top(self, listed: Mapping[int, float]) -> list[tuple[int, float]]:
        return heapq.nlargest(self._num_top, listed.items(), key=lambda item: item[1])

    def _entry(self, token_id: int, logprob: float) -> dict[str, Any]:
        return {
            "token": self._text(token_id),
            "logprob": _finite(logprob),
            "bytes": list(self._tokenizer.token_bytes(token_id)),
        }

    def _text(self, token_id: int) -> str:
        return self._tokenizer.token_bytes(token_id).decode(errors="replace")


def _finite(logprob: float) -> float:
    return max(logprob, LEAST_LOGPROB)
