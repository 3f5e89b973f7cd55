"""Which template an adapter was trained with, and what that says about the end of a turn.

In this order: what the user says, what the trainer recorded, the template in the adapter's directory, a guess from the
base. How sure that is, and why, goes with it: a guess is never silent.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .errors import CheckpointError
from .json_file import read_text
from .rendering import TemplateProcess, TemplateRefusal
from .template_turns import Turns, read_turns
from .templates import EOS, TrainerTemplate, find_template, template_names, with_settings
from .tokenizer_files import MAX_TEMPLATE_BYTES, TokenizerFiles
from .trainers import TrainerRecord

Confidence = Literal["recorded", "derived", "guessed"]
ID_PREFIX = "id:"
# Trainers whose recorded names are those of the table. Axolotl writes the template itself into the directory.
RECORD_NAMES = ("ms-swift", "LLaMA-Factory", "torchtune")
# torchtune has one template a family and records none: the family shows in the base's tokens.
TORCHTUNE_FAMILIES = (("<|eot_id|>", "llama3"), ("<|im_end|>", "qwen2_5"))


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveredTemplate:
    """The Jinja `source`, and its turns with token texts resolved for this adapter's tokenizer."""

    source: str
    name: str
    confidence: Confidence
    evidence: str
    turns: Turns
    system: str | None
    stop_words: tuple[str, ...] = ()
    # The trainer's table, where the template comes from one.
    table: TrainerTemplate | None = None

    def writes_bos(self, bos: str) -> bool:
        """Whether the template itself begins a prompt with the BOS token."""
        if self.table is not None:
            return self.table.auto_bos or self.table.writes_bos or bos in self.source
        return "bos_token" in self.source or bos in self.source

    @property
    def marks_turns_with_text(self) -> bool:
        return not self.turns.turn_start and bool(self.turns.role_markers)


def recover_template(
    trainer: TrainerRecord,
    tokenizer: TokenizerFiles,
    base_tokenizer: TokenizerFiles,
    own_template: str | None,
    asked: str | None,
    process: TemplateProcess,
) -> RecoveredTemplate | None:
    """The template of an adapter, None where nothing says and nothing can be guessed.

    Args:
        tokenizer: the adapter's, or the base's where it brought none.
        own_template: the template in the adapter's directory.
        asked: `--template`: a name of the table, `trainer:name`, or a Jinja file.

    Raises:
        CheckpointError: `asked` is no template, or the template cannot be rendered.
    """
    recovery = _Recovery(trainer, tokenizer, process)
    if asked is not None:
        return recovery.as_asked(asked)
    if trainer.template is not None and trainer.name in RECORD_NAMES:
        name = trainer.template if trainer.uses_chat_template else "dummy"
        table = find_template(trainer.name, name)
        if table is not None:
            return recovery.from_table(table, "recorded", trainer.evidence[0])
    if trainer.name == "torchtune":
        family = _torchtune_family(base_tokenizer)
        if family is not None:
            evidence = "torchtune records no template; this is the one it has for the base's family"
            return recovery.from_table(family, "guessed", evidence)
    elif own_template is not None:
        return recovery.rendered(own_template, "own", "derived", "the template in the adapter")
    if base_tokenizer.chat_template is not None:
        unknown = (
            f"{trainer.name}'s template {trainer.template!r} is not in the table"
            if trainer.template
            else "nothing recorded"
        )
        evidence = f"{unknown}; the base's own template"
        return recovery.rendered(base_tokenizer.chat_template, "base", "guessed", evidence)
    return None


@dataclass(frozen=True, slots=True)
class _Recovery:
    trainer: TrainerRecord
    tokenizer: TokenizerFiles
    process: TemplateProcess

    def as_asked(self, asked: str) -> RecoveredTemplate:
        evidence = f"--template {asked}"
        path = Path(os.path.expanduser(asked))  # noqa: PTH111  (raises nothing for "~nobody")
        if os.path.isfile(path):  # noqa: PTH113  (nor for a name too long to be one)
            source = read_text(
                path, CheckpointError, max_bytes=MAX_TEMPLATE_BYTES, follow_links=True
            )
            return self.rendered(source, path.stem, "recorded", evidence, path)
        trainer, colon, name = asked.rpartition(":")
        candidates = [trainer] if colon else [self.trainer.name, "any", *_trainers()]
        for candidate in candidates:
            if (table := find_template(candidate, name)) is not None:
                return self.from_table(table, "recorded", evidence)
        raise CheckpointError(
            path, f"--template: neither a Jinja file nor one of {', '.join(template_names())}"
        )

    def from_table(
        self, table: TrainerTemplate, confidence: Confidence, evidence: str
    ) -> RecoveredTemplate:
        # Without a chat template (ms-swift's use_chat_template = false) there is no place for a system prompt.
        system = self.trainer.system if self.trainer.uses_chat_template else None
        turns = Turns(
            trained_end=self._texts(table.trained_end),
            turn_start=self._texts(table.turn_start),
            role_markers=table.role_markers or self._spelled(table),
            ends_every_turn=table.ends_every_turn or self.trainer.trains_every_end,
            inside=frozenset(),
        )
        return RecoveredTemplate(
            source=with_settings(
                table.source,
                system=system,
                response_prefix=self.trainer.response_prefix,
                enable_thinking=self.trainer.enable_thinking,
                variables=self._variables(table),
            ),
            name=table.name,
            confidence=confidence,
            evidence=evidence,
            turns=turns,
            system=table.default_system if system is None else system or None,
            stop_words=self._texts(table.stop_words),
            table=table,
        )

    def rendered(
        self,
        source: str,
        name: str,
        confidence: Confidence,
        evidence: str,
        path: Path | None = None,
    ) -> RecoveredTemplate:
        try:
            turns = read_turns(source, self.tokenizer, self.process)
        except TemplateRefusal as exc:
            raise CheckpointError(
                path or self.tokenizer.path,
                f"the chat template cannot be rendered ({exc}); give one with --template",
            ) from exc
        return RecoveredTemplate(
            source=source,
            name=name,
            confidence=confidence,
            evidence=evidence,
            turns=turns,
            system=self.trainer.system,
        )

    def _variables(self, table: TrainerTemplate) -> dict[str, str]:
        """What the table leaves to the tokenizer: whether a text begins with a BOS, and how raw ids are spelled."""
        tokenizer = self.tokenizer
        variables = {name: tokenizer.token(token_id) or "" for name, token_id in table.raw_ids}
        if table.auto_bos and tokenizer.bos_token is not None and not tokenizer.adds_bos:
            variables["auto_bos"] = ""
        return variables

    def _texts(self, names: Iterable[str]) -> tuple[str, ...]:
        texts = (self._text(name) for name in names)
        return tuple(dict.fromkeys(text for text in texts if text is not None))

    def _spelled(self, table: TrainerTemplate) -> tuple[str, ...]:
        """Tokens of the template that this tokenizer has not got: the training wrote them, and an answer does, as text."""
        names = (*table.trained_end, *table.turn_start)
        texts = (name for name in names if name != EOS and not name.startswith(ID_PREFIX))
        return tuple(dict.fromkeys(text for text in texts if text not in self.tokenizer.ids))

    def _text(self, name: str) -> str | None:
        if name == EOS:
            return self.tokenizer.eos_token
        if name.startswith(ID_PREFIX):
            return self.tokenizer.token(int(name.removeprefix(ID_PREFIX)))
        return name if name in self.tokenizer.ids else None


def _trainers() -> tuple[str, ...]:
    return tuple(dict.fromkeys(entry.partition(":")[0] for entry in template_names()))


def _torchtune_family(base: TokenizerFiles) -> TrainerTemplate | None:
    for token, name in TORCHTUNE_FAMILIES:
        if token in base.ids:
            return find_template("torchtune", name)
    return None
