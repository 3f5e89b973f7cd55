"""What one answer costs, counted while it comes, and OpenAI's usage object. Every wire reads it where its API shows it."""

from collections.abc import Sequence
from typing import Any

from ..generation import ChoiceDelta


class TokenCounts:
    """The tokens of one request, those of all its prompts and choices together.

    Args:
        prompts: the token ids of each prompt.
        num_choices: how many choices each prompt has.
        tells_reasoning: whether a parser tells what the model thought from the rest.
    """

    def __init__(
        self, prompts: Sequence[Sequence[int]], num_choices: int, *, tells_reasoning: bool
    ) -> None:
        self.num_prompt_tokens = sum(map(len, prompts))
        self._num_choices = num_choices
        self._num_tokens = [0] * (len(prompts) * num_choices)
        self._num_reasoning_tokens = 0 if tells_reasoning else None
        self._num_cached_tokens: int | None = None

    def add(self, delta: ChoiceDelta) -> None:
        """Take in one delta."""
        self._num_tokens[delta.index] = delta.num_tokens
        if delta.finish is not None and self._num_reasoning_tokens is not None:
            self._num_reasoning_tokens += delta.finish.num_reasoning_tokens
        # Of a prompt with several choices, the first one's: the others may find what that one left.
        if delta.prompt is not None and delta.index % self._num_choices == 0:
            self._add_cached(delta.prompt.num_cached_tokens)

    def _add_cached(self, number: int | None) -> None:
        if number is not None:
            self._num_cached_tokens = (self._num_cached_tokens or 0) + number

    @property
    def num_generated_tokens(self) -> int:
        """End tokens are among them."""
        return sum(self._num_tokens)

    @property
    def num_cached_tokens(self) -> int | None:
        """Tokens of the prompts that were found in the prefix cache; None where the engine does not say."""
        return self._num_cached_tokens

    @property
    def num_reasoning_tokens(self) -> int | None:
        """Tokens that are what the model thought, of the choices that have ended; None where nothing tells."""
        return self._num_reasoning_tokens

    def usage(self) -> dict[str, Any]:
        """OpenAI's usage object of chat and text completions; what is not known is left out."""
        num_prompt, num_generated = self.num_prompt_tokens, self.num_generated_tokens
        usage: dict[str, Any] = {
            "prompt_tokens": num_prompt,
            "completion_tokens": num_generated,
            "total_tokens": num_prompt + num_generated,
        }
        if self.num_cached_tokens is not None:
            usage["prompt_tokens_details"] = {"cached_tokens": self.num_cached_tokens}
        if self.num_reasoning_tokens is not None:
            usage["completion_tokens_details"] = {"reasoning_tokens": self.num_reasoning_tokens}
        return usage
