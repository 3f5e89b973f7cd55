"""What a trainer said it trains on: ids and labels of its first row, read from what it printed."""

import json
import re

from .recipe import Json

# (ids, labels) as each trainer prints them; the last is that of the scripts in this directory.
PRINTED = (
    (r"\[INPUT_IDS\] (\[[^\]]*\])", r"\[LABELS_IDS\] (\[[^\]]*\])"),
    (r"^input_ids:\n(\[[^\]]*\])", r"^label_ids:\n(\[[^\]]*\])"),
    (r"^first row ids: (\[[^\]]*\])", r"^first row labels: (\[[^\]]*\])"),
)


def observed_row(printed: str) -> Json | None:
    """`{"input_ids": [...], "labels": [...]}` (-100: no loss), or None where the trainer printed neither."""
    for ids, labels in PRINTED:
        found = [re.search(pattern, printed, re.MULTILINE) for pattern in (ids, labels)]
        if found[0] and found[1]:
            return {"input_ids": json.loads(found[0][1]), "labels": json.loads(found[1][1])}
    return None


def contradiction(expected: Json, turns: int, ids: dict[str, int], row: Json) -> str | None:
    """What in `row`, a conversation of `turns` answers, is not as `expected` says; None where it agrees.

    ids: id of each added token. Compares the added tokens that carry a label with those expected at the answers' ends.
    `loss` says what carries one: the answers with their ends, whole assistant turns with their headers, or everything,
    where only the last one is compared, and not with a BOS.
    """
    ends = [ids[token] for token in expected["trained_end"]]
    wanted = ends * (turns if expected["ends_every_turn"] else 1)
    labelled = [label for label in row["labels"] if label in ids.values()]
    agrees = {
        "answers": labelled == wanted,
        "turns": [label for label in labelled if label in ends] == wanted,
        "everything": [label for label in row["labels"][1:] if label in ids.values()][-1:]
        == wanted[-1:],
    }[expected["loss"]]
    return None if agrees else f"labelled {labelled}, expected {wanted}"
