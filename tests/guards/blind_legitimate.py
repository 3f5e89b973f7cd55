"""Write blind_legitimate.jsonl: `python -m tests.guards.blind_legitimate`.

Answers that repeat because the request wants them to, and that no guard may cut. They were written by someone who did not
know how the guard decides, nor its other texts, and were not chosen by what it does. One JSON object a line: name, kind, text.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from .blind_legitimate_asia import ASIA
from .blind_legitimate_code import CODE
from .blind_legitimate_drawings import DRAWINGS
from .blind_legitimate_europe import EUROPE
from .blind_legitimate_files import FILES
from .blind_legitimate_lists import LISTS
from .blind_legitimate_logs import LOGS
from .blind_legitimate_planners import PLANNERS
from .blind_legitimate_rhymes import RHYMES
from .blind_legitimate_sequences import SEQUENCES
from .blind_legitimate_songs import SONGS
from .blind_legitimate_tables import TABLES
from .blind_legitimate_wishes import WISHES
from .blind_legitimate_work import WORK
from .blind_words import Answers

TARGET = Path(__file__).with_name("blind_legitimate.jsonl")
KINDS: Mapping[str, Answers] = {
    "code": CODE,
    "files": FILES,
    "logs": LOGS,
    "tables": TABLES,
    "planners": PLANNERS,
    "sequences": SEQUENCES,
    "drawings": DRAWINGS,
    "songs": SONGS,
    "rhymes": RHYMES,
    "asked": WISHES,
    "lists": LISTS,
    "work": WORK,
    "asia": ASIA,
    "europe": EUROPE,
}


def texts() -> Iterator[dict[str, str]]:
    """Every answer, in the order of its kind."""
    for kind, entries in KINDS.items():
        for name, entry in entries.items():
            yield {"name": name, "kind": kind, "text": entry if isinstance(entry, str) else entry()}


def main() -> int:
    with TARGET.open("w", encoding="utf-8") as out:
        for text in texts():
            out.write(json.dumps(text, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
