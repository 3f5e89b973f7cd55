"""The table is what was found: every feature was asked of both servers, and the pages show the recorded verdicts."""

from pathlib import Path

import pytest

from .feature import Feature
from .features import FEATURES
from .notes import NOTES
from .table import SERVERS, TABLE, markdown, read_results, recorded, rows_of

README = Path(__file__).parents[2] / "README.md"


def test_no_two_rows_have_one_name() -> None:
    keys = [feature.key for feature in FEATURES]
    assert len(keys) == len(set(keys))
    assert set(NOTES) <= set(keys)


@pytest.mark.parametrize("server", SERVERS)
def test_exactly_the_features_were_asked(server: str) -> None:
    verdicts = read_results()[server]["verdicts"]
    assert list(verdicts) == [feature.key for feature in FEATURES]
    assert "not asked" not in verdicts.values()


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.key)
def test_a_note_says_why_where_the_servers_differ(feature: Feature) -> None:
    ours, theirs = (recorded(read_results(), server, feature) for server in SERVERS)
    assert (feature.key in NOTES) == (ours != theirs), f"endturn: {ours}; vLLM: {theirs}"


def test_the_table_is_made_of_the_results() -> None:
    assert TABLE.read_text() == markdown(FEATURES, read_results())


def test_rows_that_the_readme_shows_are_those_of_the_table() -> None:
    page = README.read_text()
    shown, rows = rows_of(page), markdown(FEATURES, read_results()).splitlines()
    assert shown == [row for row in rows if row in shown]
    assert TABLE.relative_to(README.parent).as_posix() in page
