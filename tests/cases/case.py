"""A row of the case table as a value, and the vocabulary that the whole table needs. table.toml explains the fields."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from .words import VOCABULARY, Words

TABLE = Path(__file__).parent / "table.toml"
REAL_CHECKPOINTS = Path(__file__).parents[1] / "checkpoints"
HELLO = [{"role": "user", "content": "Hi"}]
FILLER = "<extra_id_{}>"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """How an answer ends: the kind, the token or the text that ends it, and part of the profile's reason."""

    kind: Literal["eos", "stop_token", "stop_string", "role_marker", "max_tokens"]
    token: str | None = None
    text: str | None = None
    why: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One adapter, what the model says with it, and how the answer has to end (None: the adapter is refused)."""

    name: str
    what: str
    trainer: str
    prompt: str
    answer: str
    end: str = ""
    then: str = ""
    stop: Stop | None = None
    refused: str | None = None
    apart: Literal["overlay", "merged"] | None = None
    plain: str = "runs on"
    causes: tuple[str, ...] = ()
    template: str | None = None
    record: Mapping[str, Any] = field(default_factory=dict)
    tokenizer: Mapping[str, Any] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)
    added: tuple[str, ...] = ()
    resized: bool = False
    rows: Literal["lora", "modules_to_save", "base_layer", "token_indices"] | None = None
    trains: tuple[str, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    messages: tuple[Mapping[str, str], ...] = tuple(HELLO)
    request: Mapping[str, Any] = field(default_factory=dict)
    max_tokens: int | None = None

    def words(self) -> Words:
        """The adapter's tokenizer."""
        added = self.added
        if self.resized:
            fillers = range(VOCABULARY - base_words().size)
            added = (*(FILLER.format(number) for number in fillers), *added)
        return Words(_texts(), renamed=self.renamed, added=added)

    def transitions(self) -> dict[int, int]:
        """Last token -> next token, for tokens whose rows the base or the adapter has."""
        words = self.words()
        silent = {*words.untrained} - {words.id(token) for token in self.trains}
        if self.rows == "lora":
            silent = {*words.untrained}  # lm_head alone: the embedding's rows stay as they are
        chain = words.transitions(self.prompt, self.answer + self.end, self.then)
        return {last: following for last, following in chain.items() if last not in silent}

    def said(self, count: int) -> list[int]:
        """The first `count` ids after the prompt."""
        words = self.words()
        return words.follow(self.transitions(), words.encode(self.prompt)[-1], count)

    def said_by_plain_vllm(self, count: int) -> list[int]:
        """The same by a server that knows the base's tokenizer only and skips copies of the base's weights."""
        words, transitions = base_words(), self.transitions()
        if self.rows == "base_layer":
            lost = {self.words().id(token) for token in self.trains}
            first = words.untrained[0]
            transitions = {
                last: first if following in lost else following
                for last, following in transitions.items()
                if last not in lost
            }
        return words.follow(transitions, words.encode(self.prompt)[-1], count)


@cache
def cases() -> tuple[Case, ...]:
    """Every case of the table."""
    return tuple(_case(row) for row in _table()["case"])


def template(name: str) -> str:
    """A chat template of the table, or that of a checkpoint made by the real trainer."""
    templates: dict[str, str] = _table()["templates"]
    if name in templates:
        return templates[name].removeprefix("\n")
    return (REAL_CHECKPOINTS / name / "chat_template.jinja").read_text(encoding="utf-8")


@cache
def base_words() -> Words:
    """The base's tokenizer: whatever any case says, and the end of any prompt, is a token a word."""
    return Words(_texts())


@cache
def _table() -> Json:
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))


@cache
def _texts() -> tuple[str, ...]:
    rows = _table()["case"]
    said = [row["answer"] + row.get("end", "") + row.get("then", "") for row in rows]
    afterwards = [row["then"] for row in rows if "then" in row]
    return (*said, *afterwards, *(row["prompt"].rsplit(" ", 1)[-1] for row in rows), " ASSISTANT:")


def _case(row: Json) -> Case:
    row = dict(row)
    if "stop" in row:
        row["stop"] = Stop(**row["stop"])
    for name in ("causes", "added", "trains", "messages"):
        if name in row:
            row[name] = tuple(row[name])
    return Case(**row)
