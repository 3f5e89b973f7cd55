"""One row of the template table: how a trainer writes a conversation, and what it trains as the end of a turn.

Pure data beside its Jinja text. Knows no tokenizer: token texts stay texts, who reads the table looks their ids up.
"""

from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

EOS = "eos_token"
"""Stands for the tokenizer's own EOS token in `trained_end` and `stop_words`."""

Trainer = Literal["ms-swift", "LLaMA-Factory", "torchtune", "any"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainerTemplate:
    """Token texts may be absent from a tokenizer (`[INST]` is a token in some): such a text is then no token to stop on.

    trained_end: what the loss trains after an assistant's answer, in order; `EOS`, or "id:195" for an id every tokenizer
        of the family spells its own way; () where no end is trained (cause B3).
    stop_words: what the trainer's own inference stops on besides.
    turn_start: tokens that open a turn or a role; () where the turns are plain text.
    role_markers: text that opens the next turn, for answers that run on; () where tokens mark the turns.
    default_system: the system prompt when a conversation brings none.
    ends_every_turn: False where only the last answer of a training conversation is followed by the end (cause B5).
    replaces_eos, efficient_eos: LLaMA-Factory's replace_eos and efficient_eos.
    auto_bos: the text begins with whatever the tokenizer puts before a text by itself. The template takes `bos_token` for
        that; where a tokenizer has a BOS token and does not add it, set the template's variable `auto_bos` to "".
    writes_bos: the template writes `bos_token`, whether the tokenizer adds it or not. (Some spell a literal BOS instead.)
    raw_ids: variables of the template that spell a raw id, with that id.
    file: path of the Jinja text under this package, without suffix; "" for `trainer/name`.
    """

    trainer: Trainer
    name: str
    trained_end: tuple[str, ...]
    stop_words: tuple[str, ...]
    turn_start: tuple[str, ...]
    role_markers: tuple[str, ...]
    default_system: str | None
    ends_every_turn: bool
    replaces_eos: bool = False
    efficient_eos: bool = False
    auto_bos: bool = False
    writes_bos: bool = False
    raw_ids: tuple[tuple[str, int], ...] = ()
    file: str = ""

    @property
    def source(self) -> str:
        """The whole Jinja text: the part that takes conversations of this trainer apart, then the template."""
        merges = self.trainer == "ms-swift"
        opening = _read("merged_conversation" if merges else "conversation")
        return opening + _read(self.file or f"{self.trainer}/{self.name}")


def _read(name: str) -> str:
    return files(__package__).joinpath(f"{name}.jinja").read_text(encoding="utf-8")
