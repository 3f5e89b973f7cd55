"""An adapter let run on, over a scripted engine: what is asked, what is kept, what ends it."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from adapters.base_files import BaseFiles
from adapters.chat_profile import write_profile
from adapters.conversations import Message
from adapters.prompts import OpenConversation
from adapters.stop_features import NUM_LISTED
from server.commands.runaways import NO_ID, Runaways, run_away
from server.engine import EngineAdapter, EngineDelta, EngineFinish, StepLogprobs
from server.errors import EngineDeadError
from tests.fakes import EOS, IM_END, TEMPLATE, ScriptedEngine, delta, ids, profile

MARKER = "\n\n### Human:"
TOP = {i: -float(i) for i in range(1, NUM_LISTED + 2)}


def listed(text: str | Sequence[int], finish: EngineFinish | None = None) -> EngineDelta:
    """A delta with log-probabilities: one token more than are read."""
    token_ids = ids(text) if isinstance(text, str) else tuple(text)
    steps = tuple(StepLogprobs(TOP, -0.5) for _ in token_ids)
    return EngineDelta(index=0, token_ids=token_ids, logprobs=steps, finish_reason=finish)


@pytest.fixture
def converted(adapter_dir: Path) -> Path:
    write_profile(profile(guard={"role_markers_in_code": False}), adapter_dir)
    (adapter_dir / "chat_template.jinja").write_text(TEMPLATE)
    return adapter_dir


def run(
    engine: ScriptedEngine, adapter: Path, base: Path, *roles: str
) -> tuple[Runaways, list[tuple[int, int]]]:
    """Ask one question for each of `roles`, which the template may refuse."""
    told: list[tuple[int, int]] = []
    asked = [
        OpenConversation(
            line=line,
            messages=(Message(role, "be kind"), Message("user", f"question {line}")),  # type: ignore[arg-type]  # roles that are none
        )
        for line, role in enumerate(roles, start=1)
    ]

    def start(files: BaseFiles, weights: Sequence[EngineAdapter]) -> ScriptedEngine:
        assert files.path == base
        return engine

    found = asyncio.run(
        run_away(
            adapter,
            str(base),
            asked,
            start,
            cap=40,
            seed=5,
            cache_dir=adapter.parent / "cache",
            told=lambda done, of: told.append((done, of)),
        )
    )
    return found, told


def test_an_answer_goes_on_to_the_cap_with_its_lists(converted: Path, base_dir: Path) -> None:
    engine = ScriptedEngine()
    engine.enqueue(listed("It "), listed("is só"), listed("!", "length"))
    found, told = run(engine, converted, base_dir, "system")
    [said] = found.generations
    assert said.text == "It is só!"
    assert len(said.pieces) == len(said.token_ids) == len(ids("It is só!"))
    assert not said.has_ended
    assert said.line == 1
    assert said.question == "question 1"
    assert said.prompt == "<bos>system: be kind\nuser: question 1\nassistant: "
    assert said.ids.shape == said.logprobs.shape == (len(said.token_ids), NUM_LISTED)
    assert said.listed(0) == pytest.approx({i: -float(i) for i in range(1, NUM_LISTED + 1)})
    assert told == [(1, 1)]
    [request] = engine.requests
    assert request.sampling.num_logprobs == NUM_LISTED
    assert request.sampling.max_tokens == 40
    assert request.sampling.temperature == 0
    assert set(request.sampling.stop_token_ids) == {EOS, IM_END}
    assert request.sampling.repetition_detection is None
    assert engine.loaded == [request.adapter]
    assert engine.closed


def test_nothing_is_wanted_after_a_marker(converted: Path, base_dir: Path) -> None:
    engine = ScriptedEngine()
    engine.enqueue(listed("Yes." + MARKER[:5]), listed(MARKER[5:] + " and"), listed("more"))
    [said] = run(engine, converted, base_dir, "system")[0].generations
    assert said.text == "Yes." + MARKER
    assert engine.aborted == [engine.requests[0].request_id]


def test_a_marker_in_code_is_passed_over_as_it_is_served(converted: Path, base_dir: Path) -> None:
    engine = ScriptedEngine()
    engine.enqueue(listed("```" + MARKER), listed(" x\n```", "length"))
    [said] = run(engine, converted, base_dir, "system")[0].generations
    assert said.text == "```" + MARKER + " x\n```"


def test_an_end_of_turn_token_ends_it_and_is_no_text(converted: Path, base_dir: Path) -> None:
    engine = ScriptedEngine()
    engine.enqueue(listed("Yes."), listed([IM_END], "stop"))
    [said] = run(engine, converted, base_dir, "system")[0].generations
    assert (said.text, said.has_ended) == ("Yes.", True)
    assert said.pieces[-1] == "<|im_end|>"


def test_what_cannot_be_asked_is_named_and_the_rest_goes_on(
    converted: Path, base_dir: Path
) -> None:
    engine = ScriptedEngine()
    engine.enqueue(listed("one", "length"))
    engine.enqueue(listed("two"), delta([], "abort"))
    engine.enqueue(delta("no lists", "length"))
    engine.enqueue(listed("four", "length"))
    roles = ("system", "system", "tool", "system", "system")
    found, told = run(engine, converted, base_dir, *roles)
    assert [said.line for said in found.generations] == [1, 5]
    assert [skip.line for skip in found.skipped] == [2, 3, 4]
    reasons = [skip.reason for skip in found.skipped]
    assert "gave up" in reasons[0]
    assert "tool" in reasons[1]
    assert "without its log-probabilities" in reasons[2]
    assert told[-1] == (4, 4)


def test_a_short_list_is_filled_up_with_what_no_vocabulary_has(
    converted: Path, base_dir: Path
) -> None:
    """Ties can make a list one shorter."""
    engine = ScriptedEngine()
    step = StepLogprobs({7: -0.1}, -0.1)
    engine.enqueue(EngineDelta(index=0, token_ids=ids("a"), logprobs=(step,)))
    [said] = run(engine, converted, base_dir, "system")[0].generations
    assert said.ids[0].tolist() == [7] + [NO_ID] * (NUM_LISTED - 1)
    assert np.isneginf(said.logprobs[0, 1:]).all()


def test_a_dead_engine_ends_everything_and_is_closed(converted: Path, base_dir: Path) -> None:
    engine = ScriptedEngine()
    engine.enqueue(listed("one"), EngineDeadError("scripted death"))
    with pytest.raises(EngineDeadError):
        run(engine, converted, base_dir, *["system"] * 30)
    assert engine.closed
    assert not engine.open
