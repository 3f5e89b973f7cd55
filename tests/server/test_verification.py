"""Verification over a scripted engine: what is asked, what is counted, what is recommended and what is written."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from html.parser import HTMLParser
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from adapters.chat_profile import ChatProfile, Guard, SamplingDefaults, TokenLimits
from adapters.conversations import Message, read_conversations
from adapters.stop_features import NUM_LISTED
from adapters.stop_head import StopHead
from adapters.verification_record import VerificationRecord
from server.engine import EngineDelta, EngineRequest, Sampling, StepLogprobs
from server.errors import EngineDeadError, InvalidRequest, StartError
from server.finish import Finish, StopCause, TokenLimit
from server.prompt import PromptRenderer
from server.sampling import GenerationPlan
from server.served_model import ServedModel
from server.stopping import StopText
from server.verification import (
    Asker,
    Options,
    Question,
    ReportHead,
    Verification,
    as_record,
    print_figures,
    questions,
    recommended_profile,
    report_html,
    verify,
)
from server.verification.charts import kind_chart, length_chart, stop_curve
from server.verification.figures import AdapterFigures, ReplayFigures, is_cut_inside
from server.verification.measures import lengths, quantile, rate, word_f1
from server.verification.recommendation import Evidence, num_with_marker, recommend
from server.verification.replay import Replay, replay, unended
from server.verification.run import GUARDS_OFF, GUARDS_ON, Answer
from tests.fakes import (
    BOS,
    EOS,
    IM_END,
    ScriptedEngine,
    chat_tokenizer,
    delta,
    ids,
    profile,
    served,
)

END = ord("#")
# Sure of an end where END has a log-probability of about zero, sure of none where it is far away.
HEAD = StopHead(token_ids=(END,), weights=(1.0,), bias=5.0, threshold=0.5)
GOES_ON, ENDS = StepLogprobs({1: 0.0}, -1.0), StepLogprobs({END: -0.1}, -2.0)
MARKER = "\n\n### Human:"
ANSWERS = {"one?": "It is one.", "two?": "It is two, not three.", "three?": "Three."}
Script = Sequence[EngineDelta | Exception | float]


class TalkingEngine(ScriptedEngine):
    """Answers the question in the prompt and then talks on, to max_tokens or a stop id; what it is sure of is `certain`."""

    def __init__(
        self,
        said: Callable[[str], str],
        *,
        certain: Callable[[str], int | None] = lambda question: None,
        script: Callable[[EngineRequest], Script | None] = lambda request: None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._said, self._certain, self._script = said, certain, script

    async def generate(self, request: EngineRequest) -> AsyncGenerator[EngineDelta, None]:
        self.enqueue(*(self._script(request) or self._talk(request)))
        async with aclosing(super().generate(request)) as stream:
            async for said in stream:
                yield said
                await asyncio.sleep(0)

    def _talk(self, request: EngineRequest) -> Script:
        question = asked_in(request)
        token_ids = list(tokens(self._said(question)))[: request.sampling.max_tokens]
        stops = [i for i, at in enumerate(token_ids) if at in request.sampling.stop_token_ids]
        if stops:
            token_ids = token_ids[: stops[0] + 1]
        sure = self._certain(question)
        steps = [ENDS if at == sure else GOES_ON for at in range(len(token_ids))]
        if request.sampling.num_logprobs is None:
            steps = []
        edges = [*range(0, len(token_ids), 5), len(token_ids)]
        return [
            EngineDelta(
                index=0,
                token_ids=tuple(token_ids[start:end]),
                logprobs=tuple(steps[start:end]),
                finish_reason=None if end < len(token_ids) else "stop" if stops else "length",
            )
            for start, end in pairwise(edges)
        ]


def asked_in(request: EngineRequest) -> str:
    text = bytes(i for i in request.prompt_token_ids if i < BOS).decode()
    return text.removesuffix("\nassistant: ").rpartition("user: ")[2]


def tokens(text: str) -> tuple[int, ...]:
    """The byte tokenizer's ids, with the special tokens."""
    return tuple(chat_tokenizer().encode(text, add_special_tokens=False))


def question(text: str, index: int = 0, reference: str = "A reference.") -> Question:
    messages = (Message("user", text),)
    return Question(index=index, line=index + 1, messages=messages, reference=reference)


QUESTIONS = tuple(question(q, i, a) for i, (q, a) in enumerate(ANSWERS.items()))


def runs_on(asked: str) -> str:
    return ANSWERS[asked] + f"{MARKER} and more?" * 20


def no_stage(name: str, total: int) -> Callable[[], None]:
    return lambda: None


def asker(
    engine: ScriptedEngine,
    renderer: PromptRenderer,
    model: ServedModel | None = None,
    **fields: Any,
) -> Asker:
    return Asker(engine, renderer, model or served(), **{"cap": 60, **fields})


async def verified(
    renderer: PromptRenderer,
    said: Callable[[str], str] = runs_on,
    model: ServedModel | None = None,
    asked: Sequence[Question] = QUESTIONS,
    **engine: Any,
) -> Verification:
    talking = TalkingEngine(said, **engine)
    return await verify(asker(talking, renderer, model), asked, Options(sample=2), no_stage)


async def test_answers_that_run_on_are_ended_and_counted(renderer: PromptRenderer) -> None:
    found = (await verified(renderer)).figures
    assert (found.off.kinds, found.on.kinds) == ({"max_tokens": 3}, {"role_marker": 3})
    assert (found.off.runaway.count, found.on.runaway.count) == (3, 0)
    assert (found.on.rescued.count, found.on.ended.count, found.off.ended.count) == (3, 3, 0)
    assert found.on.lengths.mean == found.references.mean, "each answer is its reference"
    assert found.on.word_f1 == 1.0
    assert found.off.word_f1 < 0.5
    assert (found.off.lengths.mean, found.cap) == (60, 60)
    assert found.off.num_generated == 180
    assert 0 < found.saved_tokens < 1
    assert found.live_prefix.count == found.num_questions == 3
    assert (found.inside.count, found.references_inside.count) == (0, 0)
    assert found.replay == ReplayFigures(num_replayed=2, num_prefixes=2, num_alike=2)
    assert [run.name for run in found.sample] == [
        "guards off",
        "repetition_penalty 1.1",
        "repetition_penalty 1.3",
        "temperature 0.7",
        "guards on",
    ]
    assert {run.num_answers for run in found.sample} == {2}


async def test_answers_are_ended_by_the_stop_head(renderer: PromptRenderer) -> None:
    found = await verified(
        renderer,
        lambda asked: ANSWERS[asked] + " And on and on" * 20,
        served(stop_head=HEAD),
        certain=lambda asked: len(ids(ANSWERS[asked])),
    )
    assert found.figures.on.kinds == {"calibrated": 3}
    assert found.figures.replay.is_perfect
    assert len(found.examples) == 2
    for example in found.examples:
        assert example.kind == "calibrated"
        assert example.shown in ANSWERS.values()
        assert example.removed.startswith(" And on")
        assert example.probabilities[example.num_shown] > HEAD.threshold
        assert max(example.probabilities[: example.num_shown]) < HEAD.threshold


async def test_a_cut_inside_a_sentence_is_told(renderer: PromptRenderer) -> None:
    found = await verified(
        renderer,
        runs_on,
        served(stop_head=HEAD),
        certain=lambda asked: 4 if asked == "one?" else None,
    )
    assert found.figures.inside.count == 1
    assert found.figures.inside.high > 0.05
    [wrong] = found.wrong
    assert (wrong.shown, wrong.is_inside, wrong.removed[:7]) == ("It i", True, "s one.\n")
    assert "What went wrong" in report_html(head(), [found])


async def test_answers_that_still_run_away_are_shown(renderer: PromptRenderer) -> None:
    found = await verified(renderer, lambda asked: ANSWERS[asked] + " on" * 30)
    assert [(e.kind, e.removed) for e in found.wrong] == [("max_tokens", "")] * 3
    assert "still run to the cap" in " ".join(found.recommendation.notes)


async def test_an_adapter_that_ends_by_itself_is_left_alone(renderer: PromptRenderer) -> None:
    found = (await verified(renderer, lambda asked: f"{ANSWERS[asked]}<eos>")).figures
    assert found.off.kinds == found.on.kinds == {"eos": 3}
    assert found.off.lengths == found.on.lengths == found.references
    assert found.saved_tokens == 0
    assert found.replay.is_perfect


async def test_requests_are_what_a_client_would_send(renderer: PromptRenderer) -> None:
    engine = TalkingEngine(runs_on)
    model = served(stop_head=HEAD, adapter=None)
    await verify(asker(engine, renderer, model, seed=7), QUESTIONS, Options(sample=1), no_stage)
    sent = [request.sampling for request in engine.requests]
    warm, off, on, recorded = sent[:3], sent[3:6], sent[6:9], sent[9]
    assert {s.max_tokens for s in warm} == {1}, "no run finds a warmer cache than another"
    assert {(s.temperature, s.max_tokens) for s in (*off, *on)} == {(0.0, 60)}
    assert {s.stop_token_ids for s in off} == {(EOS,)}
    assert {s.stop_token_ids for s in on} == {(EOS, IM_END)}
    assert [s.num_logprobs for s in (off[0], on[0], recorded)] == [None, NUM_LISTED, NUM_LISTED]
    assert sorted(s.seed or 0 for s in off) == [7, 8, 9]
    advice = [(s.repetition_penalty, s.temperature) for s in sent[10:]]
    assert advice == [(1.1, 0.0), (1.3, 0.0), (1.0, 0.7)]


async def test_the_profiles_temperature_is_the_one_measured(renderer: PromptRenderer) -> None:
    model = served(profile=profile(sampling={"temperature": 0.6}))
    found = await verified(renderer, model=model)
    assert found.figures.temperature == 0.6
    assert found.recommendation.sampling.temperature == 0.6


async def test_a_question_that_cannot_be_asked_is_one_failure(renderer: PromptRenderer) -> None:
    long = question("x" * 2000, index=3)
    found = (await verified(renderer, asked=(*QUESTIONS, long))).figures
    assert (found.num_questions, found.num_failed) == (3, 1)
    assert found.failures[0].line == 4
    assert "context" in found.failures[0].reason


async def test_a_question_the_engine_refuses_is_one_failure_a_run(renderer: PromptRenderer) -> None:
    refuse: Callable[[EngineRequest], Script | None] = lambda request: (  # noqa: E731
        [InvalidRequest("no")] if asked_in(request) == "two?" else None
    )
    found = (await verified(renderer, script=refuse)).figures
    assert (found.num_questions, found.num_failed) == (2, 2)
    assert {failure.reason for failure in found.failures} == {"no"}


async def test_a_token_without_logprobs_is_a_failure(renderer: PromptRenderer) -> None:
    bare: Callable[[EngineRequest], Script | None] = lambda request: (  # noqa: E731
        [delta("ab", "length")] if asked_in(request) == "two?" else None
    )
    found = (await verified(renderer, model=served(stop_head=HEAD), script=bare)).figures
    assert found.num_questions == 2
    assert "log-probabilities" in found.failures[0].reason


async def test_no_answer_at_all_is_an_error(renderer: PromptRenderer) -> None:
    with pytest.raises(StartError, match=r"line 1: .*chat template"):
        await verified(renderer, model=served(template=None))


@pytest.mark.parametrize(
    "death", [[EngineDeadError("gone")], [delta("ab")]], ids=["error", "stream without an end"]
)
async def test_a_dead_engine_ends_everything(renderer: PromptRenderer, death: Script) -> None:
    calls: list[EngineRequest] = []

    def dies(request: EngineRequest) -> Script | None:
        calls.append(request)
        return death if len(calls) == 5 else [delta("ab"), 30.0] if len(calls) > 5 else None

    engine = TalkingEngine(runs_on, script=dies)
    with pytest.raises(EngineDeadError):
        await verify(asker(engine, renderer), QUESTIONS, Options(), no_stage)
    assert not engine.open, "what was under way is aborted"


async def test_an_interruption_aborts_what_is_under_way(renderer: PromptRenderer) -> None:
    engine = TalkingEngine(runs_on, script=lambda request: [delta("ab"), 30.0])
    task = asyncio.create_task(verify(asker(engine, renderer), QUESTIONS, Options(), no_stage))
    async with asyncio.timeout(5):
        while len(engine.open) < 3:
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not engine.open


async def test_every_answer_of_a_conversation_is_a_question(tmp_path: Path) -> None:
    turns = [("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")]
    row = {"messages": [{"role": role, "content": text} for role, text in turns]}
    file = tmp_path / "data.jsonl"
    file.write_text(json.dumps(row) + "\n")
    first, second = questions(read_conversations(file).conversations)
    assert [m.content for m in second.messages] == ["a", "b", "c"]
    assert (first.reference, second.reference, second.index) == ("b", "d", 1)


def plan(**fields: Any) -> GenerationPlan:
    values: dict[str, Any] = {
        "sampling": Sampling(max_tokens=200, stop_token_ids=(EOS,)),
        "limit": TokenLimit(value=200, set_by="client"),
        "stop_ids": {EOS: StopCause(kind="eos", token_id=EOS)},
    }
    return GenerationPlan(**{**values, **fields})


GUARDED = plan(
    stop_ids={i: StopCause(kind="stop_token", token_id=i) for i in (EOS, IM_END)},
    stop_texts=(StopText(MARKER, "role_marker"),),
    stop_head=HEAD,
)


@given(
    parts=st.lists(
        st.sampled_from(["A b.", "\n\n", "###", MARKER, " Hu", "é", "<|im_end|>"]), min_size=1
    ),
    sure=st.integers(0, 60),
    size=st.integers(1, 9),
)
def test_a_replay_is_an_exact_prefix_in_every_cut(parts: list[str], sure: int, size: int) -> None:
    token_ids = tokens("".join(parts))
    steps = tuple(ENDS if at == sure else GOES_ON for at in range(len(token_ids)))
    recorded = [
        EngineDelta(
            index=0,
            token_ids=token_ids[at : at + size],
            logprobs=steps[at : at + size],
            finish_reason="length" if at + size >= len(token_ids) else None,
        )
        for at in range(0, len(token_ids), size)
    ]
    found = replay(recorded, GUARDED, plan(), chat_tokenizer())
    assert found.is_prefix
    assert found.ends_alike
    assert len(found.probabilities) == len(token_ids)


def test_a_recording_ends_only_where_both_plans_would() -> None:
    """An id that plain vLLM stops at may be part of a turn, and the other way round."""
    guarded = plan(stop_ids={i: StopCause(kind="stop_token", token_id=i) for i in (IM_END, 7)})
    other = plan(stop_ids={i: StopCause(kind="eos", token_id=i) for i in (EOS, 7)})
    assert unended(guarded, other).sampling.stop_token_ids == (7,)


def test_a_recording_without_an_end_is_no_answer() -> None:
    with pytest.raises(EngineDeadError):
        replay([delta("ab")], plan(), plan(), chat_tokenizer())


def finished(kind: Any, text: str = "Half a", **fields: Any) -> Answer:
    limit = TokenLimit(value=60, set_by="client")
    finish = Finish(index=0, cause=StopCause(kind=kind, **fields), limit=limit, num_tokens=6)
    return Answer(text=text, finish=finish)


@pytest.mark.parametrize(
    ("answer", "unguarded", "inside"),
    [
        (finished("calibrated"), "Half a sentence.", True),
        (finished("calibrated", "Whole."), "Whole. And more", False),
        (finished("role_marker", "Without a stop"), f"Without a stop{MARKER}", False),
        # Where the two runs differ, nobody knows what would have come: the judge is strict.
        (finished("role_marker", "Without a stop"), "Otherwise", True),
        (finished("max_tokens"), "Half a", False),
        (finished("eos", token_id=EOS), "Half a", False),
    ],
)
def test_only_cuts_of_the_guards_are_judged(answer: Answer, unguarded: str, inside: bool) -> None:
    assert is_cut_inside(answer, unguarded) is inside


@pytest.mark.parametrize(
    ("text", "reference", "score"),
    [
        ("The same words.", "the SAME words", 1.0),
        ("", "", 1.0),
        ("", "word", 0.0),
        ("a b", "c d", 0.0),
        ("a b c d", "a b", 2 / 3),
        ("a a a a", "a", 0.4),
        ("你好", "你好。", 1.0),
        ("你好吗朋友", "你好", 4 / 7),
    ],
)
def test_words_in_common(text: str, reference: str, score: float) -> None:
    assert word_f1(text, reference) == pytest.approx(score)


def test_shares_and_lengths() -> None:
    assert (rate(0, 0).low, rate(0, 0).high) == (0, 1)
    assert rate(0, 400).high < 0.01
    found = lengths([*range(1, 101)])
    assert (found.mean, found.median, found.p95, found.longest) == (50.5, 50, 95, 100)
    assert quantile([3], 0.005) == quantile([3], 0.995) == 3


async def figures_with(renderer: PromptRenderer, **changes: Any) -> AdapterFigures:
    return replace((await verified(renderer)).figures, **changes)


def evidence(**fields: Any) -> Evidence:
    return Evidence(**{"lengths": (), "markers_in_references": 0, "spared_markers": 0, **fields})


@pytest.mark.parametrize(
    ("seen", "default", "limit"),
    [
        ([20] * 100, 64, 256),  # 30 would do; an answer always gets 64
        ([100] * 100, 160, 640),
        (
            [100] * 999 + [900],
            160,
            1824,
        ),  # one long answer moves what may be asked for, not the default
        ([100] * 49, 50, 100),  # too few: the profile's
    ],
)
async def test_limits_come_from_the_lengths(
    renderer: PromptRenderer, seen: list[int], default: int, limit: int
) -> None:
    found = recommend(profile(), await figures_with(renderer), evidence(lengths=seen))
    assert found.max_tokens == TokenLimits(default=default, limit=limit)


async def test_the_recommendation_follows_what_was_seen(renderer: PromptRenderer) -> None:
    measured = await figures_with(renderer)
    seen = recommend(None, measured, evidence(markers_in_references=2))
    assert seen.sampling == SamplingDefaults(temperature=0.0)
    assert seen.max_tokens == TokenLimits()
    assert seen.guard == Guard(role_markers_in_code=False)
    spared = recommend(
        profile(guard={"role_markers_in_code": False}), measured, evidence(spared_markers=1)
    )
    assert spared.guard == Guard(role_markers_in_code=True)
    bad = replace(measured, on=measured.off, over_cap=rate(2, 3))
    notes = " ".join(recommend(profile(), bad, evidence()).notes)
    assert "endturn calibrate" in notes
    assert "raise --cap" in notes
    assert num_with_marker(["a", f"b{MARKER}"], (MARKER, "x")) == 1


async def test_the_profile_keeps_a_summary(renderer: PromptRenderer) -> None:
    found = await verified(renderer)
    record = as_record(found.figures, created_by="test", day="2026-01-01", data="ab", seed=3)
    changed = recommended_profile(profile(), found.recommendation, record)
    read = ChatProfile.model_validate_json(changed.model_dump_json())
    assert read.sampling.temperature == 0
    assert read.end_of_turn == profile().end_of_turn
    kept = VerificationRecord.model_validate(read.verification)
    assert kept.guards_off.runaway.share == 1
    assert (kept.answers, kept.replayed, kept.replayed_prefixes) == (3, 2, 2)


@given(
    st.lists(st.integers(0, 5000), min_size=1, max_size=30),
    st.lists(st.integers(0, 300), min_size=1, max_size=30),
)
def test_every_length_is_in_one_bar(first: list[int], second: list[int]) -> None:
    chart = length_chart({"a": first, "b": second})
    bars = [bar for row in chart.rows for bar in row.bars]
    assert all(0 < bar.height <= 46 and 8 <= bar.x <= 352 for bar in bars)
    heights = [sum(bar.height for bar in row.bars) for row in chart.rows]
    assert heights[0] == pytest.approx(heights[1]), "both are all of their answers"


async def test_kinds_are_drawn_in_one_order(renderer: PromptRenderer) -> None:
    run = replace(
        (await verified(renderer)).figures.on,
        num_answers=20,
        kinds={"max_tokens": 1, "role_marker": 2, "eos": 16, "repetition": 1},
    )
    [row] = kind_chart([run]).rows
    assert [bar.kind.split()[0] for bar in row.bars] == ["itself", "rescued", "runaway", "runaway"]
    assert sum(bar.width for bar in row.bars) == pytest.approx(344)
    assert [bar.label for bar in row.bars] == ["80%", "10%", "", ""]


class Page(HTMLParser):
    """What a browser would make of it: tags that are open, attributes, and text."""

    VOID = frozenset({"meta", "rect", "path", "polyline", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def head(**changes: Any) -> ReportHead:
    values: dict[str, Any] = {
        "base": "base",
        "data": "data.jsonl",
        "data_sha256": "ab",
        "num_conversations": 3,
        "num_bad": 1,
        "seed": 0,
        "engine_flags": ("--max-model-len", "1024"),
        "created_by": "endturn test",
        "day": "2026-01-01",
    }
    return ReportHead(**{**values, **changes})


HOSTILE = "<script>alert(1)</script> \"'& \x00\x1b[2J \u202e\u2066 </style></svg> {{ 7*7 }} "


async def test_the_page_shows_hostile_text_as_text(renderer: PromptRenderer) -> None:
    texts = {f"{q} {HOSTILE}": f"{HOSTILE}{a}" for q, a in ANSWERS.items()}
    asked = [question(q, i, a) for i, (q, a) in enumerate(texts.items())]
    found = await verified(renderer, lambda q: texts[q] + f"{MARKER}{HOSTILE}" * 3, asked=asked)
    page = report_html(head(data="<b>.jsonl", base="<i>"), [found])
    parser = Page()
    parser.feed(page)
    assert not parser.open
    assert "script" not in re.findall(r"<\s*(\w+)", page)
    assert "{{ 7*7 }}" in page
    assert not [char for char in page if not (char.isprintable() or char in "\n\t")]
    assert "&lt;script&gt;alert" in page


async def test_the_page_needs_nothing_from_anywhere(renderer: PromptRenderer) -> None:
    found = await verified(renderer, model=served(stop_head=HEAD))
    page = report_html(head(), [found, found])
    parser = Page()
    parser.feed(page)
    assert not {"src", "href", "srcset", "onload"} & {name for name, _ in parser.attributes}
    assert not re.search(r"https?:|url\(|@import", page)
    assert "Side by side" in page
    assert "polyline" in page
    assert ("name", "viewport") in parser.attributes


async def test_the_page_without_head_failures_or_examples(renderer: PromptRenderer) -> None:
    found = await verified(renderer)
    assert stop_curve(found.examples[0]) is None
    bare = replace(found, examples=(), figures=replace(found.figures, sample=()))
    page = report_html(head(num_bad=0, engine_flags=()), [bare])
    assert "Where answers are cut" not in page
    assert "Side by side" not in page


async def test_the_terminal_shows_all_figures(renderer: PromptRenderer) -> None:
    found = await verified(renderer, asked=(*QUESTIONS, question("x" * 2000, index=3)))
    out = Console(file=StringIO(), width=120)
    print_figures([found, replace(found, figures=replace(found.figures, name="other"))], out)
    text = out.file.getvalue() if isinstance(out.file, StringIO) else ""
    for part in ("ran away", "role_marker", "2 of 2", "temperature 0.7", "1 failed", "other"):
        assert part in text


def test_a_replay_that_is_no_prefix_is_not_perfect() -> None:
    broken = Replay(
        whole="abc",
        shown="abd",
        finish=finished("calibrated").finish,
        num_shown=3,
        ends_alike=True,
    )
    assert not broken.is_prefix
    assert not ReplayFigures(num_replayed=2, num_prefixes=1, num_alike=2).is_perfect


def test_the_two_ways_to_ask_differ_in_the_guards_alone() -> None:
    assert (GUARDS_OFF.fields, GUARDS_ON.fields) == ({"endturn": {"guards": False}}, {})
