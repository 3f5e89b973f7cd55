"""The cases: texts that must pass, and runaway texts that must be stopped, split into a half to tune on and one to test on."""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

FOLDER = Path(__file__).parent
LATER = ("later_", "last_")
_PIECE = re.compile(r"\s?\w{1,6}|\s+|[^\w\s]{1,2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One text.

    loop: a reader found that its tail brings nothing new. exact: the tail is one piece of text again and again.
    num_repeated: characters since the first thing that was said again, by adapters.loop_onset, which knows no compression.
    prompt, temperature: what it was made with, where it was.
    blind: written, or generated and labelled, by somebody who did not know the guard.
    """

    name: str
    text: str
    loop: bool
    exact: bool = False
    num_repeated: int = 0
    blind: bool = False
    prompt: str = ""
    temperature: float = 0.0

    @property
    def half(self) -> Literal["tune", "test"]:
        """By a hash of the name without the temperature, so that two answers to one prompt are in one half.

        What was written after the settings were fixed is all for the test.
        """
        if self.blind or self.name.startswith(LATER):
            return "test"
        prompt = self.name.split("-t")[0]
        return "tune" if hashlib.sha256(prompt.encode()).digest()[0] % 2 else "test"

    @property
    def pieces(self) -> list[str]:
        """The text in pieces of about a token, for a scripted engine to say."""
        return _PIECE.findall(self.text)


def legitimate() -> list[Case]:
    """What must pass, as make_legitimate wrote it."""
    return [
        Case(name=row["name"], text=row["text"], loop=False) for row in _rows("legitimate.jsonl")
    ]


def loops() -> list[Case]:
    """What the demo's base and adapter said, of which a reader thought that it goes on and brings nothing new."""
    return [
        Case(
            name=row["name"],
            text=row["text"],
            loop=True,
            exact=row["exact"],
            num_repeated=row["num_repeated"],
        )
        for row in _rows("loops.jsonl")
    ]


def blind_legitimate() -> list[Case]:
    """What must pass, as blind_legitimate.py wrote it."""
    rows = _rows("blind_legitimate.jsonl")
    return [Case(name=row["name"], text=row["text"], loop=False, blind=True) for row in rows]


def blind_loops() -> list[Case]:
    """What the demo's base said until the default limit, and its reader called a loop."""
    return [
        Case(
            name=row["name"],
            text=row["text"],
            loop=True,
            exact=row["kind"] == "exact",
            num_repeated=len(row["text"]) - row["onset"],
            blind=True,
            prompt=row["prompt"],
            temperature=row["temperature"],
        )
        for row in _rows("blind_loops.jsonl")
    ]


def _rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / name).read_text(encoding="utf-8").splitlines()]
