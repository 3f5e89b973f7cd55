"""One name a client can ask for: the base, or an adapter on it, with everything chatting needs."""

from dataclasses import dataclass

from adapters.chat_profile import DEFAULT_MAX_TOKENS, ChatProfile, SamplingDefaults, TokenLimits
from adapters.stop_head import StopHead
from adapters.weights.base_rows import BaseRows

from .engine import EngineAdapter
from .tokenizer import ChatTokenizer


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel:
    """Immutable: replacing an adapter makes a new one. `label` is its bounded name in metrics.

    `rows` are those the adapter needs in its base. `refusal` says why the name cannot be asked for, None where it can.
    """

    name: str
    label: str
    root: str
    created: int
    tokenizer: ChatTokenizer
    template: str | None
    base_stop_ids: tuple[int, ...]
    base_sampling: SamplingDefaults
    parent: str | None = None
    adapter: EngineAdapter | None = None
    profile: ChatProfile | None = None
    rows: BaseRows | None = None
    stop_head: StopHead | None = None
    refusal: str | None = None

    @property
    def end_of_turn_ids(self) -> tuple[int, ...]:
        """Ids that end an answer: the profile's and nothing else where there is one, else what plain vLLM stops on."""
        if self.profile is None:
            return self.base_stop_ids
        return tuple(entry.id for entry in self.profile.end_of_turn)

    @property
    def role_markers(self) -> tuple[str, ...]:
        return () if self.profile is None else self.profile.role_markers

    @property
    def stops_in_code(self) -> bool:
        """Whether a role marker inside a fenced code block ends the answer: where no end token was trained well."""
        return self.profile is None or self.profile.guard.role_markers_in_code

    @property
    def token_limits(self) -> TokenLimits:
        if self.profile is None:
            return TokenLimits(default=DEFAULT_MAX_TOKENS)
        return self.profile.max_tokens

    @property
    def profile_sampling(self) -> SamplingDefaults:
        return SamplingDefaults() if self.profile is None else self.profile.sampling
