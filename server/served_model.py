"""One name a client can ask for: the base, or an adapter on it, with everything chatting needs."""

from dataclasses import dataclass

from adapters.chat_profile import (
    DEFAULT_MAX_TOKENS,
    ChatProfile,
    Repetition,
    SamplingDefaults,
    TokenLimits,
)
from adapters.stop_head import StopHead
from adapters.weights.base_rows import BaseRows

from .engine import EngineAdapter
from .parsing.port import OutputParsers, ParserNames
from .tokenizer import ChatTokenizer


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateTurns:
    """How the template of a model without a profile separates turns: tokens that end one, text that opens the next."""

    end_ids: tuple[int, ...] = ()
    markers: tuple[str, ...] = ()


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
    template_turns: TemplateTurns = TemplateTurns()
    refusal: str | None = None
    parsers: OutputParsers | None = None

    def turn_ends(self, *, is_chat: bool) -> tuple[int, ...]:
        """Ids that end an answer: the profile's and nothing else where there is one, else what plain vLLM stops on.

        A base that is chatted with by a template has that template's ends too.
        """
        if self.profile is None:
            return (*self.base_stop_ids, *(self.template_turns.end_ids if is_chat else ()))
        return tuple(entry.id for entry in self.profile.end_of_turn)

    def turn_markers(self, *, is_chat: bool) -> tuple[str, ...]:
        """Text that opens the next turn: the profile's, or what the template of a base writes there."""
        if self.profile is None:
            return self.template_turns.markers if is_chat else ()
        return self.profile.role_markers

    @property
    def role_markers(self) -> tuple[str, ...]:
        """The profile's."""
        return () if self.profile is None else self.profile.role_markers

    @property
    def spares_quoted_markers(self) -> bool:
        """Whether a role marker that a message holds, or that stands in a fenced code block, is text like any other.

        Not where nothing else ends the adapter's answers.
        """
        if self.profile is None:
            return True
        return bool(self.profile.end_of_turn) and not self.profile.guard.role_markers_in_code

    @property
    def repetition(self) -> Repetition:
        """Which loops end an answer."""
        given = None if self.profile is None else self.profile.guard.repetition
        return Repetition() if given is None else given

    def parser_names(self, given: ParserNames) -> ParserNames:
        """What this model says by itself, else what the server was given."""
        own = None if self.profile is None else self.profile.parsers
        return ParserNames(
            tool_calls=(own and own.tool_calls) or given.tool_calls,
            reasoning=(own and own.reasoning) or given.reasoning,
        )

    @property
    def token_limits(self) -> TokenLimits:
        if self.profile is None:
            return TokenLimits(default=DEFAULT_MAX_TOKENS)
        return self.profile.max_tokens

    @property
    def profile_sampling(self) -> SamplingDefaults:
        return SamplingDefaults() if self.profile is None else self.profile.sampling
