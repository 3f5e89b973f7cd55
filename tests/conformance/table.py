"""What the two servers did, as a file and as the table of the README. Knows no server."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .feature import Feature
from .notes import NOTES

FOLDER = Path(__file__).parent
RESULTS, TABLE = FOLDER / "results.json", FOLDER / "TABLE.md"
HEADER = "| endpoint | feature | endturn | vLLM 0.32 | where they differ, why |"
SERVERS = ("endturn", "vllm")


def read_results(path: Path = RESULTS) -> dict[str, Any]:
    """The file: for each server its version, date, machine, and verdicts by the key of the feature."""
    results: dict[str, Any] = json.loads(path.read_text())
    return results


def recorded(results: Mapping[str, Any], server: str, feature: Feature) -> str:
    """What `server` did with `feature` when it was last asked."""
    verdict: str = results.get(server, {}).get("verdicts", {}).get(feature.key, "not asked")
    return verdict


def markdown(
    features: Sequence[Feature], results: Mapping[str, Any], *, differences: bool = False
) -> str:
    """The table, a row a feature; with `differences` only those where the servers differ."""
    lines = [HEADER, "|---|---|---|---|---|"]
    for feature in features:
        ours, theirs = (recorded(results, server, feature) for server in SERVERS)
        if ours != theirs or not differences:
            note = NOTES.get(feature.key, "") if ours != theirs else ""
            cells = (feature.endpoint, feature.name, ours, theirs, note)
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def rows_of(page: str) -> list[str]:
    """The rows of the table in a page of Markdown; empty where it is not there."""
    lines = page.splitlines()
    if HEADER not in lines:
        return []
    start = lines.index(HEADER)
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append(line)
    return rows
