"""`verification` in endturn.json: what `endturn verify --write` measured, in short.

Pure description; nothing is decided by it. It holds for the adapter, stop head and settings it was measured with.
"""

from pydantic import Field

from .chat_profile import ProfilePart
from .stop_head import Share


class RunRecord(ProfilePart):
    """One way to ask: answers by stop kind, the share that ran away, mean tokens, and words in common with the references.

    tokens_p95: 95 of 100 answers have at most so many; None in records written before it was kept.
    """

    kinds: dict[str, int]
    runaway: Share
    tokens: float = Field(ge=0)
    tokens_p95: int | None = Field(default=None, ge=0)
    word_f1: float = Field(ge=0, le=1)


class VerificationRecord(ProfilePart):
    """Guards off against guards on.

    data: sha256 of the file of held-out conversations. cap: max_tokens of every request. speedup: answers per second, on over
    off. inside: answers the guards ended inside a sentence, list item or code block. live_prefix: answers that are a prefix
    of the unguarded run's. replayed: recorded streams fed to the guards, and how many were shown as an exact prefix.
    """

    created_by: str
    day: str
    data: str
    seed: int
    answers: int = Field(ge=1)
    cap: int = Field(ge=1)
    temperature: float = Field(ge=0)
    reference_tokens: float = Field(ge=0)
    guards_off: RunRecord
    guards_on: RunRecord
    speedup: float = Field(ge=0)
    inside: Share
    live_prefix: Share
    replayed: int = Field(ge=0)
    replayed_prefixes: int = Field(ge=0)
