"""Log-probabilities as OpenAI writes them, for chat and for text completion, and as vLLM does those of a prompt.

Knows tokens and text, no HTTP.
"""

import heapq
from collections.abc import Mapping, Sequence
from typing import Any

from ..choice import TokenLogprobs
from ..engine import StepLogprobs
from ..tokenizer import ChatTokenizer

# What OpenAI and vLLM write for a probability of zero: JSON has no infinity.
LEAST_LOGPROB = -9999.0
# One entry a token of a prompt; the first has none. Empty where none were asked for.
PromptLogprobs = Sequence[StepLogprobs | None]


class LogprobsWriter:
    """Writes tokens, each with the `num_top` likeliest of its step beside it."""

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

    def completion(
        self, logprobs: Sequence[TokenLogprobs], *, text_start: int = 0
    ) -> dict[str, Any]:
        """`logprobs` of a text completion; the answer's text begins at the character `text_start` of what is returned."""
        return self._lists(
            [token.token_id for token in logprobs],
            [token.step for token in logprobs],
            [text_start + token.offset for token in logprobs],
        )

    def echo(
        self, token_ids: Sequence[int], steps: PromptLogprobs, starts: Sequence[int]
    ) -> dict[str, Any]:
        """The same of a prompt that is returned; its tokens begin at the characters `starts`."""
        return self._lists(token_ids, steps, starts)

    def prompt(
        self, token_ids: Sequence[int], steps: PromptLogprobs
    ) -> list[dict[str, Any] | None]:
        """vLLM's `prompt_logprobs`: for each token itself and the likeliest, by their ids."""
        return [
            None if step is None else self._ranked(token_id, step)
            for token_id, step in zip(token_ids, steps, strict=True)
        ]

    def _lists(
        self, token_ids: Sequence[int], steps: PromptLogprobs, offsets: Sequence[int]
    ) -> dict[str, Any]:
        return {
            "tokens": [self._text(token_id) for token_id in token_ids],
            "token_logprobs": [None if step is None else _finite(step.sampled) for step in steps],
            "top_logprobs": [
                None if step is None else self._top_texts(token_id, step)
                for token_id, step in zip(token_ids, steps, strict=True)
            ],
            "text_offset": list(offsets),
        }

    def _top_texts(self, token_id: int, step: StepLogprobs) -> dict[str, float]:
        """The likeliest by their text, and the token itself: one more where it is none of them, as OpenAI documents."""
        texts: dict[str, float] = {}
        for listed_id, value in [*self._top(step.top), (token_id, step.sampled)]:
            # Of tokens with one text, as halves of characters have, the likeliest counts.
            texts.setdefault(self._text(listed_id), _finite(value))
        return texts

    def _ranked(self, token_id: int, step: StepLogprobs) -> dict[str, Any]:
        ranked = {token_id: (step.sampled, step.rank)}
        for rank, (listed_id, value) in enumerate(self._top(step.top), start=1):
            ranked.setdefault(listed_id, (value, rank))
        return {
            str(listed_id): {
                "logprob": _finite(value),
                "rank": rank,
                "decoded_token": self._text(listed_id),
            }
            for listed_id, (value, rank) in ranked.items()
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
