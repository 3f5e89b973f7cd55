"""The chat profile: what an adapter knows about chatting, in one file beside its weights (`endturn.json`, format 1).

Pure description. `server` turns it into sampling parameters and stops; base_to_chat writes it.
"""

import tempfile
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, ValidationError, field_validator, model_validator

from .bounded_model import BoundedModel, shown
from .errors import ProfileError
from .json_file import read_json_object

PROFILE_FILE = "endturn.json"
DEFAULT_MAX_TOKENS = 1024
# Token ids are 32 bits wide in the tokenizers library and in the engine.
MAX_TOKEN_ID = 1 << 31


class ProfilePart(BoundedModel):
    """Base of every part: unknown fields and wrong types are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class BaseModelRef(ProfilePart):
    """Which base the adapter belongs to."""

    name: str
    architecture: str | None = None
    vocab_size: int | None = Field(default=None, ge=1)
    shape: str | None = None
    weights: str | None = None


class Trainer(ProfilePart):
    """Who wrote the checkpoint, and the evidence for it."""

    name: str
    version: str | None = None
    template: str | None = None
    evidence: tuple[str, ...] = Field(default=(), strict=False)


class TemplateRef(ProfilePart):
    """The chat template; `file` lies beside the profile. `special_tokens` are those it names that are not the base's."""

    file: str = Field(default="chat_template.jinja", max_length=100)
    confidence: Literal["recorded", "derived", "guessed"] = "recorded"
    system: str | None = None
    special_tokens: dict[str, str] = Field(default={})

    @field_validator("special_tokens")
    @classmethod
    def _are_known_names(cls, tokens: dict[str, str]) -> dict[str, str]:
        if not tokens.keys() <= {"bos_token", "eos_token"}:
            raise ValueError("names bos_token and eos_token only")
        return tokens

    @field_validator("file")
    @classmethod
    def _is_plain_name(cls, name: str) -> str:
        if Path(name).name != name or name in {"", ".", ".."} or not name.isprintable():
            raise ValueError("must be a plain file name in the adapter directory")
        return name


class RenamedId(ProfilePart):
    """One id whose text differs between base and adapter."""

    id: int = Field(ge=0, lt=MAX_TOKEN_ID)
    base: str
    adapter: str


class TokenizerRef(ProfilePart):
    """Present where the adapter's own tokenizer must be used; its files lie beside the profile.

    `renamed` are the ids that mean another text than in the base, `num_added` how many only the adapter has.
    """

    renamed: tuple[RenamedId, ...] = Field(default=(), strict=False)
    num_added: int = Field(default=0, ge=0)


class EndOfTurnId(ProfilePart):
    """One token id that ends an answer, and the reason it is in the set."""

    id: int = Field(ge=0, lt=MAX_TOKEN_ID)
    token: str
    why: str


class SamplingDefaults(ProfilePart):
    """Sampling values the checkpoint records or `verify --write` measured; absent means not set."""

    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    top_k: int | None = Field(default=None, ge=-1)
    min_p: float | None = Field(default=None, ge=0, le=1)
    repetition_penalty: float | None = Field(default=None, gt=0, le=2)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)


class TokenLimits(ProfilePart):
    """Tokens a request gets when it asks for none, and the most it may ask for (None: the context)."""

    default: int = Field(default=DEFAULT_MAX_TOKENS, ge=1)
    limit: int | None = Field(default=None, ge=1)


class WeightFiles(ProfilePart):
    """What the weights are: a sha256 a file, the highest rank, and one line for everything conversion changed.

    `path` says how: `as_is`, `rewritten`, `embedding_lora`, `overlay` (the base gets the rows of base_rows.safetensors),
    `merge` (a standalone model).
    """

    files: dict[str, str] = Field(default={})
    rank: int | None = None
    path: str = "as_is"
    changes: tuple[str, ...] = Field(default=(), strict=False)


class FindingRecord(ProfilePart):
    """One cause that was found, and what became of it."""

    code: str
    severity: Literal["note", "fixed", "mitigated"]
    evidence: str
    action: str


class ExactCycles(ProfilePart):
    """The same tokens again and again: a pattern of such a size, `min_count` times in a row.

    A shorter cycle is one of these sizes too, where a multiple of it is.
    """

    enabled: bool = True
    # Not short ones: `ha ha ha` was asked for, and every size costs the engine time at every token.
    min_pattern_size: int = Field(default=48, ge=1, le=256)
    max_pattern_size: int = Field(default=63, ge=1, le=256)
    min_count: int = Field(default=10, ge=2, le=10_000)

    @model_validator(mode="after")
    def _sizes_are_in_order(self) -> Self:
        if self.min_pattern_size > self.max_pattern_size:
            raise ValueError("min_pattern_size must not be over max_pattern_size")
        return self


class NearLoops(ProfilePart):
    """Text that goes on and brings nothing new: as many characters of prose, of one text again and again, or of anything
    `other`, that compress `min_ratio` times, prose `prose_ratio` times. None: the server's own value."""

    enabled: bool = True
    prose: int | None = Field(default=None, ge=256, le=65_536)
    exact: int | None = Field(default=None, ge=256, le=65_536)
    other: int | None = Field(default=None, ge=256, le=65_536)
    min_ratio: float | None = Field(default=None, gt=1, le=1_000)
    prose_ratio: float | None = Field(default=None, gt=1, le=1_000)


class Repetition(ProfilePart):
    """Which loops end an answer: exact cycles of tokens, and near ones of text."""

    exact: ExactCycles = ExactCycles()
    near: NearLoops = NearLoops()


class Guard(ProfilePart):
    """When text may end an answer. `role_markers_in_code`: inside a fenced code block too. No `repetition`: the defaults."""

    role_markers_in_code: bool = True
    repetition: Repetition | None = None


class Parsers(ProfilePart):
    """Which of vLLM's parsers read what the adapter was trained to write; None: those the server was started with."""

    tool_calls: str | None = Field(default=None, min_length=1, max_length=100)
    reasoning: str | None = Field(default=None, min_length=1, max_length=100)


class ChatProfile(ProfilePart):
    """`endturn.json`, format 1."""

    format: Literal[1]
    created_by: str
    base: BaseModelRef
    trainer: Trainer | None = None
    template: TemplateRef = TemplateRef()
    tokenizer: TokenizerRef | None = None
    end_of_turn: tuple[EndOfTurnId, ...] = Field(strict=False)
    role_markers: tuple[str, ...] = Field(default=(), strict=False)
    sampling: SamplingDefaults = SamplingDefaults()
    max_tokens: TokenLimits = TokenLimits()
    # Owned by other parts of the product: kept as they are, checked where they are used.
    stop_head: dict[str, Any] | None = None
    stop_head_refusal: str | None = None
    guard: Guard = Guard()
    # Left out where nothing is named, so that profiles stay as earlier versions read them.
    parsers: Parsers = Field(default=Parsers(), exclude_if=lambda named: named == Parsers())
    weights: WeightFiles = WeightFiles()
    findings: tuple[FindingRecord, ...] = Field(default=(), strict=False)
    verification: dict[str, Any] | None = None

    @field_validator("role_markers")
    @classmethod
    def _markers_have_text(cls, markers: tuple[str, ...]) -> tuple[str, ...]:
        if any(not marker.strip() for marker in markers):
            raise ValueError("a role marker of white space alone would end every answer")
        return markers


def read_profile(adapter_dir: Path) -> ChatProfile | None:
    """The profile in `adapter_dir`, None for a raw adapter.

    Raises:
        ProfileError: the file is there and is not a valid profile; the message names the field.
    """
    path = adapter_dir / PROFILE_FILE
    if not path.exists():
        return None
    raw = read_json_object(path, ProfileError)
    try:
        return ChatProfile.model_validate(raw)
    except ValidationError as exc:
        first = exc.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "format"
        raise ProfileError(
            path, f"{field}: {first['msg']} (found {shown(first['input'], 80)})"
        ) from exc


def write_profile(profile: ChatProfile, adapter_dir: Path) -> None:
    """Write `profile` into the directory; one that is there is replaced at once."""
    with tempfile.NamedTemporaryFile("w", dir=adapter_dir, delete=False, encoding="utf-8") as file:
        file.write(profile.model_dump_json(indent=1) + "\n")
    made = Path(file.name)
    made.chmod(0o644)
    made.replace(adapter_dir / PROFILE_FILE)
