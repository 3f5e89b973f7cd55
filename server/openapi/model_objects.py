"""`GET /v1/models` on the wire: OpenAI's model objects with vLLM's fields, and what is in effect for each."""

from typing import Annotated, Literal

from pydantic import Field

from .plain_objects import Count, Probability, Timestamp
from .wire_object import WireObject

Share = Annotated[float, Field(ge=0, le=1)]


class EndOfTurn(WireObject):
    """What ends a turn; of many tokens the first are named."""

    num_ids: Count
    tokens: list[str | None]


class StopHeadFit(WireObject):
    """What the stop head did in cross-validation: shares of answers ended exactly, early, not, and inside a sentence."""

    answers: Count
    auc: Share
    exact: Share
    early: Share
    missed: Share
    inside: Share


class StopHead(WireObject):
    """The classifier that is asked at every token."""

    num_tokens: Count
    threshold: Probability
    fit: StopHeadFit | None


class TokenLimits(WireObject):
    """Tokens of an answer: without a client's limit, and at most."""

    default: int = Field(ge=1)
    limit: int | None = Field(ge=1)


class VerifiedRun(WireObject):
    """Answers with the guards off or on."""

    runaway: Share
    tokens: float = Field(ge=0)
    word_f1: Share


class Verification(WireObject):
    """What `endturn verify` measured last."""

    day: str
    answers: Count
    speedup: float = Field(ge=0)
    guards_off: VerifiedRun
    guards_on: VerifiedRun


class Parsers(WireObject):
    """vLLM's parsers by name."""

    tool_calls: str | None
    reasoning: str | None


class ModelSummary(WireObject):
    """What is in effect for a chat with this model."""

    profile: bool
    chat_template: bool
    template_confidence: Literal["recorded", "derived", "guessed"] | None
    end_of_turn: EndOfTurn
    num_role_markers: Count
    stop_head: StopHead | None
    max_tokens: TokenLimits
    findings: list[str]
    verification: Verification | None
    parsers: Parsers


class ModelEntry(WireObject):
    """A model that is served: the base, or an adapter with the base as its parent."""

    id: str
    object: Literal["model"]
    created: Timestamp
    owned_by: Literal["endturn"]
    root: str = Field(description="Where its weights came from.")
    parent: str | None
    max_model_len: int = Field(ge=1, description="Tokens of prompt and answer together.")
    endturn: ModelSummary


class ModelList(WireObject):
    """Every model that is served, the base first."""

    object: Literal["list"]
    data: list[ModelEntry]
