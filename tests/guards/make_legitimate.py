"""Write legitimate.jsonl again: `python -m tests.guards.make_legitimate`. The same every time: each case has its own seed."""

import json
from pathlib import Path
from random import Random

from .legitimate_code import CODE
from .legitimate_drawings import DRAWINGS
from .legitimate_dumps import DUMPS
from .legitimate_last import LAST
from .legitimate_later import LATER
from .legitimate_markup import MARKUP
from .legitimate_sequences import SEQUENCES
from .legitimate_songs import SONGS
from .legitimate_tables import TABLES
from .legitimate_words import WORDS

LEGITIMATE = Path(__file__).parent / "legitimate.jsonl"


def cases() -> dict[str, str]:
    """Every legitimate text by its name."""
    tables = (TABLES, DUMPS, SEQUENCES, DRAWINGS, CODE, MARKUP, SONGS, WORDS, LATER, LAST)
    return {
        name: build(Random(name))  # noqa: S311
        for table in tables
        for name, build in table.items()
    }


def main() -> int:
    rows = [{"name": name, "text": text} for name, text in cases().items()]
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    LEGITIMATE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
