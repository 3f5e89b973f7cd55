"""The objects inside request bodies: messages, options, switches. `schema` makes requests of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, model_validator

from ..errors import InvalidRequest
from .request_object import RequestPart as RequestPart
from .tool_schema import MAX_CALLS, MessageToolCall

# The engine tries every size at every token, in its own loop.
MAX_PATTERN_SIZE = 256

# OpenAI's limits.
MAX_METADATA = 16
Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]],
    Field(max_length=MAX_METADATA),
]


class IgnoredFields(RequestPart):
    """What only tunes OpenAI's own service: accepted, and nothing follows from it. Nothing is stored, whatever `store` says."""

    metadata: Metadata | None = None
    prediction: dict[str, Any] | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    safety_identifier: str | None = None
    service_tier: str | None = None
    store: bool | None = None
    user: str | None = None
    verbosity: str | None = None


class RefusedFields(RequestPart):
    """What would change the answer or the response, and is not served: a client that sends it is told, not ignored.

    `refused` are the names, each with the values that ask for nothing and pass; `instead` says what to send for some of them.
    """

    refused: ClassVar[Mapping[str, tuple[Any, ...]]] = {}
    instead: ClassVar[Mapping[str, str]] = {}

    @model_validator(mode="before")
    @classmethod
    def _refuse_what_is_not_built(cls, data: Any) -> Any:
        for name, harmless in cls.refused.items() if isinstance(data, dict) else ():
            if name in data and not _is_one_of(data[name], harmless):
                instead = cls.instead.get(name, "leave it out")
                raise InvalidRequest(
                    f"{name} is not supported by this server; {instead}", param=name
                )
        return data


def _is_one_of(value: Any, known: tuple[Any, ...]) -> bool:
    """As JSON has it, where true is not 1."""
    return any(value == other and type(value) is type(other) for other in known)


class StreamOptions(RequestPart):
    """`stream_options`; what is sent here is never padded, so there is nothing to obfuscate.

    `continuous_usage_stats` is vLLM's: with `include_usage`, every chunk says how many tokens there are so far.
    """

    include_usage: bool | None = False
    continuous_usage_stats: bool | None = False
    include_obfuscation: bool | None = None


class GuardSwitches(RequestPart):
    """`endturn.guards`, one by one: what is left out stays on."""

    model_config = ConfigDict(extra="forbid")

    end_of_turn: bool = True
    role_markers: bool = True
    stop_head: bool = True
    loops: bool = True


class RepetitionDetectionField(RequestPart):
    """vLLM's `repetition_detection`: a pattern of tokens that comes `min_count` times in a row; max_pattern_size 0 is off."""

    model_config = ConfigDict(extra="forbid")

    max_pattern_size: int = Field(default=0, ge=0, le=MAX_PATTERN_SIZE)
    min_pattern_size: int = Field(default=0, ge=0, le=MAX_PATTERN_SIZE)
    min_count: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _can_be_detected(self) -> "RepetitionDetectionField":
        if self.min_pattern_size > self.max_pattern_size:
            raise ValueError("min_pattern_size must not be over max_pattern_size")
        if self.max_pattern_size > 0 and self.min_count < 2:
            raise ValueError("min_count must be at least 2, or max_pattern_size 0 (off)")
        return self


class EndturnOptions(RequestPart):
    """`endturn`: our own switches for one request."""

    model_config = ConfigDict(extra="forbid")

    guards: bool | GuardSwitches = True
    # The client's stop strings are for the answer; with this they end its reasoning too.
    stops_in_reasoning: bool = False

    @property
    def switches(self) -> GuardSwitches:
        """Each guard by itself."""
        if isinstance(self.guards, GuardSwitches):
            return self.guards
        return GuardSwitches(**dict.fromkeys(GuardSwitches.model_fields, self.guards))

    @property
    def switches_off(self) -> bool:
        """Whether any guard is switched off."""
        return not all(getattr(self.switches, name) for name in GuardSwitches.model_fields)


class TextPart(RequestPart):
    """A content part; only text is served."""

    also_known: ClassVar[frozenset[str]] = frozenset({"cache_control", "prompt_cache_breakpoint"})

    type: Literal["text"]
    text: str


class Message(RequestPart):
    """One message. Unknown keys are kept: templates read them."""

    model_config = ConfigDict(extra="allow")

    role: str = Field(min_length=1, max_length=64)
    content: str | list[TextPart] | None = None
    tool_calls: list[MessageToolCall] | None = Field(default=None, max_length=MAX_CALLS)
    tool_call_id: str | None = Field(default=None, max_length=256)

    @model_validator(mode="after")
    def _says_what_its_role_says(self) -> "Message":
        if self.role == "tool" and (self.tool_call_id is None or self.content is None):
            raise ValueError("a message of role tool needs tool_call_id and content")
        if self.tool_calls and self.role != "assistant":
            raise ValueError("only a message of role assistant has tool_calls")
        return self

    def for_template(self) -> dict[str, Any]:
        """The message as chat templates expect it: content is one string."""
        message = self.model_dump(exclude_unset=True)
        if isinstance(self.content, list):
            message["content"] = self.text
        if self.tool_calls:
            message["tool_calls"] = [call.for_template() for call in self.tool_calls]
        return message

    @property
    def text(self) -> str:
        """The content as one string; several texts are lines of it, as in vLLM."""
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content)
        return self.content or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """What guards need to know of a conversation: what others than the assistant said, and whether a turn is opened."""

    others_said: tuple[str, ...]
    opens_a_turn: bool
