"""The tables of false and true positives through the engine: a model says each text, a server with every guard on reads it.

The same server writes JSON lines and sends traces: each of these requests is one of both.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx2 as httpx
import pytest

from server.stopping import LoopGuard, LoopSettings
from tests.engine.conftest import start
from tests.guards.cases import Case, blind_legitimate, blind_loops, legitimate, loops
from tests.guards.replay_model import CONTEXT, Replayed, write_replay_model
from tests.server.collector import Collected, collecting

# All texts are said before the first test.
pytestmark = pytest.mark.timeout(900)

NAME = "replay"
PIECE_CHARS = 16
CASES = [
    *(case for case in (*legitimate(), *loops()) if case.half == "test"),
    *blind_legitimate(),
    *blind_loops(),
]


@dataclass(frozen=True, slots=True)
class Said:
    """What the server answered when the model said a case."""

    case: Case
    text: str
    kind: str
    num_tokens: int


@dataclass(frozen=True, slots=True)
class Run:
    """All answers, and what the server wrote and sent meanwhile."""

    said: list[Said]
    log_lines: list[dict[str, Any]]
    spans: list[Collected]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    root = tmp_path_factory.mktemp("replay")
    places = write_replay_model([_pieces(case.text) for case in CASES], root / "model")
    flags = [
        "--served-model-name",
        NAME,
        "--max-model-len",
        str(CONTEXT),
        "--max-num-seqs",
        "64",
        "--dtype",
        "float32",
    ]
    with collecting() as collector:
        flags += ["--log-format", "json", "--otlp-traces-endpoint", collector.url]
        server = start(root / "log", *flags, model=str(root / "model"))
        try:
            said = asyncio.run(_ask_all(server.url, CASES, places))
        finally:
            server.popen.terminate()
            server.popen.wait(60)
    lines = [line for line in server.log.read_text().splitlines() if line.startswith("{")]
    return Run(said, [json.loads(line) for line in lines], collector.spans)


@pytest.fixture
def said(run: Run) -> list[Said]:
    return run.said


def _pieces(text: str) -> list[str]:
    """Tokens of this many characters: fewer, so that the model is small; what the guards find does not depend on it."""
    return [text[at : at + PIECE_CHARS] for at in range(0, len(text), PIECE_CHARS)]


async def _ask_all(url: str, cases: Sequence[Case], places: Sequence[Replayed]) -> list[Said]:
    turns = asyncio.Semaphore(64)
    async with httpx.AsyncClient(base_url=url, timeout=280) as client:

        async def ask(case: Case, place: Replayed) -> Said:
            body = {
                "model": NAME,
                "prompt": [place.start_id],
                "max_tokens": place.num_tokens,
                "temperature": 0,
            }
            async with turns:
                answer = await client.post("/v1/completions", json=body)
            made: dict[str, Any] = answer.raise_for_status().json()
            choice = made["choices"][0]
            kind = choice["stop_detail"]["kind"]
            return Said(case, choice["text"], kind, made["usage"]["completion_tokens"])

        return await asyncio.gather(*map(ask, cases, places))


def test_no_legitimate_text_is_stopped(said: list[Said]) -> None:
    passed = [answer for answer in said if not answer.case.loop]
    assert len(passed) >= 200
    assert [a.case.name for a in passed if a.kind != "max_tokens"] == []
    assert [a.case.name for a in passed if a.text != a.case.text] == []


def test_nine_of_ten_loops_of_one_text_are_stopped(said: list[Said]) -> None:
    """Those of the blind set that say the same again and again, by our guard alone: no two tokens of this model are one, so
    vLLM's check for cycles of tokens sees nothing. Of loops in which something counts the share within the default limit is
    lower, and only length tells them from a list on request."""
    asked = [answer for answer in said if answer.case.blind and answer.case.loop]
    assert len(asked) >= 60
    for exact, least in ((True, 0.9), (False, 0.3)):
        part = [answer for answer in asked if answer.case.exact is exact]
        stopped = [answer for answer in part if answer.kind == "repetition"]
        print(f"exact: {exact}, {len(stopped)} of {len(part)} loops were stopped")  # noqa: T201
        assert len(stopped) >= least * len(part)


def test_the_server_stops_where_the_guard_does(said: list[Said]) -> None:
    """The engine's stream changes nothing: same verdict, and the same text shown."""
    for answer in said:
        found = LoopGuard(LoopSettings()).feed(answer.case.text)
        assert (answer.kind == "repetition") == (found is not None), answer.case.name
        assert answer.case.text.startswith(answer.text), answer.case.name
        if found is not None:
            assert 0 <= len(answer.text) - found.num_chars < PIECE_CHARS, answer.case.name


def test_every_answer_is_one_line_and_one_trace_with_its_stop_kind(run: Run) -> None:
    kinds = Counter(answer.kind for answer in run.said)
    tokens = sum(answer.num_tokens for answer in run.said)
    lines = [line for line in run.log_lines if line.get("route") == "/v1/completions"]
    assert Counter(kind for line in lines for kind in line["stop_kinds"]) == kinds
    assert sum(line["generated_tokens"] for line in lines) == tokens
    ours = [span for span in run.spans if span.resource["service.name"] == "endturn"]
    engine = [span for span in ours if span.name == "engine"]
    assert (
        Counter(kind for span in engine for kind in span.attributes["endturn.stop_kind"]) == kinds
    )
    assert {span.trace_id for span in engine} == {line["trace_id"] for line in lines}
    theirs = {span.trace_id for span in run.spans if span.name == "llm_request"}
    # The engine's last spans may be lost when it is ended.
    assert theirs
    assert theirs <= {span.trace_id for span in engine}
