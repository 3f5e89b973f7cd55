"""Why a generation ended: the product's words for it, and their translation into OpenAI's and vLLM's.

Pure values that generation makes, metrics count and the routes write to the wire.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

StopKind = Literal[
    "eos",
    "stop_token",
    "stop_string",
    "role_marker",
    "calibrated",
    "repetition",
    "max_tokens",
    "deadline",
    "abort",
    "tool_calls",
]
FinishReason = Literal["stop", "length", "tool_calls"]
SetBy = Literal["client", "profile", "context"]

_FINISH_REASONS: dict[StopKind, FinishReason] = {
    "max_tokens": "length",
    "repetition": "length",
    "deadline": "length",
    "abort": "length",
    "tool_calls": "tool_calls",
}
RUNAWAY_KINDS: frozenset[StopKind] = frozenset({"repetition", "max_tokens"})
RESCUED_KINDS: frozenset[StopKind] = frozenset({"calibrated", "role_marker"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenLimit:
    """The most tokens this answer may have, and who said so."""

    value: int
    set_by: SetBy


@dataclass(frozen=True, slots=True, kw_only=True)
class StopCause:
    """What ended it: a kind, and the token id, the text or the stop head's probability that did it.

    `stop_reason` is vLLM's: None for the tokenizer's EOS, else the id, the string or its word for a loop.
    """

    kind: StopKind
    token_id: int | None = None
    text: str | None = None
    probability: float | None = None

    def with_calls(self) -> "StopCause":
        """The same end, of an answer that called tools; vLLM's reason for it stays what it was."""
        token_id = None if self.kind == "eos" else self.token_id
        return replace(self, kind="tool_calls", token_id=token_id)

    @property
    def stop_reason(self) -> int | str | None:
        if self.kind == "eos":
            return None
        if self.kind == "repetition":
            return "repetition_detected"
        return self.text if self.text is not None else self.token_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """How one choice ended.

    `num_tokens` counts what the engine generated, the end token included. `num_trimmed_tokens` are those of them that
    a text stop kept from the client; an end token is not among them. `num_reasoning_tokens` are those of what was shown that
    a parser took for thoughts.
    """

    index: int
    cause: StopCause
    limit: TokenLimit
    num_tokens: int
    num_trimmed_tokens: int = 0
    num_reasoning_tokens: int = 0

    @property
    def finish_reason(self) -> FinishReason:
        """One of OpenAI's values."""
        return _FINISH_REASONS.get(self.cause.kind, "stop")

    def stop_detail(self) -> dict[str, Any]:
        """The `stop_detail` object of the wire."""
        detail: dict[str, Any] = {"kind": self.cause.kind}
        if self.cause.token_id is not None:
            detail["token_id"] = self.cause.token_id
        if self.cause.text is not None:
            detail["text"] = self.cause.text
        if self.cause.probability is not None:
            detail["probability"] = round(self.cause.probability, 4)
        detail["trimmed_tokens"] = self.num_trimmed_tokens
        detail["limit"] = {"value": self.limit.value, "set_by": self.limit.set_by}
        return detail
