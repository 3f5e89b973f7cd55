"""`POST /v1/completions`: OpenAI's request body with vLLM's extensions. `request_body` makes it of bytes."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, field_validator, model_validator

from ..errors import InvalidRequest
from .generation_request import MAX_LOGPROBS, MAX_N, GenerationRequest, TokenId

MAX_PROMPTS = 1024
# Prompts times candidates: each is a request to the engine.
MAX_CHOICES = 2048

Prompt = str | list[int]
PromptField = str | list[str] | list[TokenId] | list[list[TokenId]]


class CompletionRequest(GenerationRequest):
    """`POST /v1/completions`: one prompt or several, each as text or as token ids."""

    refused: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        **GenerationRequest.refused,
        "suffix": (None, ""),
    }
    also_known: ClassVar[frozenset[str]] = GenerationRequest.also_known | frozenset(refused)

    prompt: PromptField
    add_special_tokens: bool = True
    # 0 with echo: the prompt alone.
    max_tokens: int | None = Field(default=None, ge=0)
    logprobs: int | None = Field(default=None, ge=0, le=MAX_LOGPROBS)
    echo: bool | None = False
    best_of: int | None = Field(default=None, ge=1, le=MAX_N)

    @field_validator("prompt", mode="plain", json_schema_input_type=PromptField)
    @classmethod
    def _is_a_prompt_or_several(cls, prompt: Any) -> Any:
        # By hand: a union of lists would report every token of a long prompt as an error of every other branch.
        if isinstance(prompt, str):
            return prompt
        if not isinstance(prompt, list) or not prompt:
            raise ValueError("must be text, token ids, or a list of such prompts, not empty")
        if _are_token_ids(prompt):
            return prompt
        is_text = isinstance(prompt[0], str)
        for place, one in enumerate(prompt):
            if isinstance(one, str) if is_text else isinstance(one, list) and _are_token_ids(one):
                continue
            what = "text like the first" if is_text else "a list of token ids, not empty"
            raise InvalidRequest(
                f"prompt[{place}]: must be {what} (found {one!r:.100})", param=f"prompt[{place}]"
            )
        if len(prompt) > MAX_PROMPTS:
            raise ValueError(f"at most {MAX_PROMPTS:,} prompts are accepted, found {len(prompt):,}")
        return prompt

    @model_validator(mode="after")
    def _fields_fit_together(self) -> "CompletionRequest":
        problem = self._contradiction()
        if problem is not None:
            param, message = problem
            raise InvalidRequest(f"{param}: {message}", param=param)
        return self

    def _contradiction(self) -> tuple[str, str] | None:
        """The field that is wrong, and why; None where nothing is."""
        n = self.n or 1
        if self.best_of is not None and self.best_of < n:
            return "best_of", f"{self.best_of} is less than n, {n}"
        if self.stream and self.num_candidates > n:
            return "best_of", "the best are known at the end, so they cannot be streamed"
        if self.max_tokens == 0 and not self.echo:
            return "max_tokens", "0 asks for no answer; with echo the prompt alone is returned"
        num_choices = len(self.prompts) * self.num_candidates
        if num_choices > MAX_CHOICES:
            return "prompt", (
                f"{len(self.prompts):,} prompts with {self.num_candidates} answers each are {num_choices:,}; "
                f"a request is for {MAX_CHOICES:,} at most"
            )
        return None

    @property
    def prompts(self) -> list[Prompt]:
        """The prompts, each by itself."""
        if isinstance(self.prompt, str) or isinstance(self.prompt[0], int):
            return [self.prompt]
        return list(self.prompt)

    @property
    def num_candidates(self) -> int:
        return self.best_of or self.n or 1

    @property
    def num_top_logprobs(self) -> int | None:
        return self.logprobs

    @property
    def num_prompt_logprobs(self) -> int | None:
        asked = (self.prompt_logprobs, self.logprobs if self.echo else None)
        return max((number for number in asked if number is not None), default=None)

    @property
    def lists_the_end(self) -> bool:
        # As OpenAI and vLLM do: who scores a prompt with `echo` and one token counts on that token.
        return True


def _are_token_ids(prompt: list[Any]) -> bool:
    """Whether these are token ids, at least one. In C: a prompt may have millions."""
    return set(map(type, prompt)) == {int} and min(prompt) >= 0
