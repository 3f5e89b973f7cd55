"""From generations that ran on to a head: which ends are fitted on, and how they move."""

from pathlib import Path

import numpy as np
import pytest

from adapters.generations_fit import MAX_ROUNDS, find_ends, fit_on_ends
from adapters.runaway_ends import Generation
from adapters.stop_head_fit import FitOptions
from adapters.tokenizer_files import TokenizerFiles
from tests.fakes import byte_tokenizer

from .said import END, GOES_ON, generation, pieces

MARKER = "\n\n### Human:"
OPTIONS = FitOptions(num_tokens=2)
ANSWER = "Join some path segments, number {}."
SURPLUS = "\nIt depends on what your system calls a path."
LOOP = SURPLUS * 4


@pytest.fixture(scope="module")
def tokenizer() -> TokenizerFiles:
    return TokenizerFiles(
        path=Path("tokenizer.json"),
        tokenizer=byte_tokenizer(),
        ids={},
        special_ids=frozenset(),
        added_ids=frozenset(),
        eos_token=None,
        bos_token=None,
        pad_token=None,
        chat_template=None,
    )


def marked(number: int, rng: np.random.Generator, start: int = 1) -> list[Generation]:
    """Answers of different lengths that a marker ends, where the lists say that they end."""
    made = []
    for line in range(start, start + number):
        text = ANSWER.format(line) + " It is so." * (line % 4)
        ends = {len(pieces(text))}
        made.append(generation(text, MARKER, line=line, rng=rng, likely_ends=ends))
    return made


def looping(number: int, rng: np.random.Generator) -> list[Generation]:
    """One surplus sentence, then the loop: the lists say that the answer ended before both."""
    made = []
    for line in range(1, number + 1):
        text = ANSWER.format(line)
        ends = {len(pieces(text))}
        made.append(generation(text, LOOP, line=line, rng=rng, likely_ends=ends))
    return made


def test_plain_ends_are_fitted_on_as_they_were_found(tokenizer: TokenizerFiles) -> None:
    rng = np.random.default_rng(0)
    endless = [generation("It goes on and on without end", line=99)]
    found = find_ends([*marked(60, rng), *endless], (MARKER,), markers_in_code=False)
    assert (len(found.ends), found.num_left_out) == (60, 1)
    fitted = fit_on_ends(found, tokenizer, OPTIONS, data="abc")
    assert fitted.num_by_kind == {"role_marker": 60}
    assert (fitted.num_rounds, fitted.num_moved, fitted.num_left_out) == (1, 0, 1)
    record, fit = fitted.outcome.record, fitted.outcome.record.fit
    assert fitted.outcome.refusal is None
    assert set(record.token_ids) == {END, GOES_ON}
    assert fit is not None
    assert (fit.source, fit.left_out, fit.answers, fit.data) == ("prompts", 1, 60, "abc")
    assert fit.exact.share > 0.95
    assert record.model_dump(mode="json")["fit"]["source"] == "prompts"


def test_the_head_puts_the_end_of_a_loop_where_the_answer_ended(tokenizer: TokenizerFiles) -> None:
    rng = np.random.default_rng(0)
    generations = [*marked(30, rng, start=100), *looping(6, rng)]
    found = find_ends(generations, (MARKER,), markers_in_code=False)
    assert {end.kind for end in found.ends[30:]} == {"loop"}
    assert "".join(found.generations[-1].pieces[: found.ends[-1].step]).endswith("a path.")
    fitted = fit_on_ends(found, tokenizer, OPTIONS, data="abc")
    assert fitted.num_moved == 6
    assert 1 < fitted.num_rounds <= MAX_ROUNDS
    fit = fitted.outcome.record.fit
    assert fit is not None
    assert fit.exact.share > 0.95, "the last fit is on the moved ends"
    assert fitted == fit_on_ends(found, tokenizer, OPTIONS, data="abc")


def test_an_end_is_not_looked_for_far_before_it_was_found(tokenizer: TokenizerFiles) -> None:
    """However sure the head is there: a place many lines back is another end."""
    rng = np.random.default_rng(0)
    lines = "".join(f"\n{word} is a part of it." for word in ("One", "Two", "Three", "Four"))
    text = ANSWER.format(7)
    loop = generation(text, lines, LOOP, line=1, rng=rng, likely_ends={len(pieces(text))})
    found = find_ends([*marked(30, rng, start=100), loop], (MARKER,), markers_in_code=False)
    assert found.ends[-1].kind == "loop"
    fitted = fit_on_ends(found, tokenizer, OPTIONS, data="abc")
    record = fitted.outcome.record
    assert record.fit is not None
    num_tokens = sum(
        len(g.answer(e.step).answer.token_ids)
        for g, e in zip(found.generations, found.ends, strict=True)
    )
    assert num_tokens - record.fit.tokens < len(pieces(lines))
