"""The case table on a real engine: what each raw adapter does in plain vLLM, and how it ends here once it is converted.

One start of `vllm serve` and one of `endturn serve` for all cases, and one more for each that no base can be shared with.
"""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from adapters.base_to_chat import ProfileSettings, plan_conversion, write_converted
from adapters.chat_profile import ChatProfile, TokenLimits, read_profile
from adapters.errors import ConversionError
from adapters.inspection import InspectionOptions, inspect_adapter, read_base
from adapters.weights.weight_plan import WeightOptions
from tests.cases.build import build_all
from tests.cases.case import Case, Stop, cases
from tests.cases.plain_vllm import Outcome, run_plain_vllm
from tests.cases.words import CONTEXT
from tests.engine.conftest import start

ALL = cases()
ENDING = [case for case in ALL if case.stop is not None]
SERVED = [case for case in ENDING if case.apart is None]
APART = [case for case in ENDING if case.apart is not None]
REFUSED = [case for case in ALL if case.refused is not None]
# Given to the server as the trainer wrote them.
CONVERTED_BY_THE_SERVER = ("a1-gemma", "b1-torchtune", "c2-default-of-factory", "d1-saved-rows")


def named(*chosen: Case) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", chosen, ids=[case.name for case in chosen])


@dataclass(frozen=True, slots=True)
class Directories:
    base: Path
    raw: Path
    converted: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """The codes found in a raw adapter, and the profile written, or why there is none."""

    codes: frozenset[str]
    profile: ChatProfile | None = None
    refused: str = ""


@pytest.fixture(scope="module")
def directories(tmp_path_factory: pytest.TempPathFactory) -> Directories:
    root = tmp_path_factory.mktemp("cases")
    return Directories(build_all(root), root / "raw", root / "converted")


@pytest.fixture(scope="module")
def conversions(directories: Directories) -> dict[str, Conversion]:
    return {case.name: convert(case, directories) for case in ALL}


def convert(case: Case, directories: Directories) -> Conversion:
    raw, target = directories.raw / case.name, directories.converted / case.name
    base = read_base(directories.base)
    inspection = inspect_adapter(raw, base)
    codes = frozenset(finding.code for finding in inspection.findings)
    settings = ProfileSettings()
    if case.max_tokens is not None:
        settings = ProfileSettings(max_tokens=TokenLimits(default=case.max_tokens))
    refused = ""
    try:
        write_converted(plan_conversion(inspection, "test", settings), target)
    except ConversionError as exc:
        refused = str(exc)
        if case.apart == "merged":
            options = InspectionOptions(weights=WeightOptions(merge=True))
            write_converted(plan_conversion(inspect_adapter(raw, base, options), "test"), target)
    profile = read_profile(target) if target.exists() else None
    return Conversion(codes=codes, profile=profile, refused=refused)


@pytest.fixture(scope="module")
def plain_outcomes(
    directories: Directories, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Outcome]:
    log = tmp_path_factory.mktemp("plain") / "log"
    return run_plain_vllm(ALL, directories.base, directories.raw, log)


@pytest.fixture(scope="module")
def chat(
    directories: Directories,
    conversions: dict[str, Conversion],
    plain_outcomes: dict[str, Outcome],  # the other engine is gone when this one starts
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[httpx.Client]:
    adapters = [
        f"{case.name}={directories.converted / case.name}"
        for case in SERVED
        if conversions[case.name].profile is not None
    ]
    adapters += [f"raw.{name}={directories.raw / name}" for name in CONVERTED_BY_THE_SERVER]
    flags = [word for adapter in adapters for word in ("--adapter", adapter)]
    with serving(tmp_path_factory.mktemp("endturn"), directories.base, *flags) as client:
        yield client


@contextmanager
def serving(scratch: Path, model: Path, *flags: str) -> Iterator[httpx.Client]:
    engine = ("--max-model-len", str(CONTEXT), "--dtype", "float32")
    memory = ("--kv-cache-memory-bytes", str(1 << 29))
    cache = ("--cache-dir", str(scratch / "cache"))
    process = start(scratch / "log", "--model", str(model), *cache, *flags, *engine, *memory)
    try:
        with httpx.Client(base_url=process.url, timeout=120) as client:
            yield client
    finally:
        process.popen.terminate()
        try:
            process.popen.wait(60)
        except subprocess.TimeoutExpired:
            process.popen.kill()


@named(*ALL)
def test_raw_adapter_in_plain_vllm(case: Case, plain_outcomes: dict[str, Outcome]) -> None:
    outcome = plain_outcomes[case.name]
    if case.plain not in ("runs on", "stops", "cut short"):
        assert case.plain in outcome.refused
        return
    assert not outcome.refused
    said = case.said_by_plain_vllm(len(outcome.token_ids))
    assert list(outcome.token_ids) == said
    assert outcome.finish_reason == ("stop" if case.plain == "stops" else "length")
    assert outcome.chat_status == 400, (
        "the base has no chat template, and the adapter's is not read"
    )


def test_operator_cannot_add_ends_to_plain_vllm(plain_outcomes: dict[str, Outcome]) -> None:
    """Cause A5: the server was started with the end of this adapter in --override-generation-config."""
    assert plain_outcomes["a1-chatml"].finish_reason == "length"


@named(*(case for case in ALL if case.causes))
def test_inspection_names_the_cause(case: Case, conversions: dict[str, Conversion]) -> None:
    assert set(case.causes) <= conversions[case.name].codes


@named(*REFUSED)
def test_conversion_says_why_it_cannot(case: Case, conversions: dict[str, Conversion]) -> None:
    assert case.refused is not None
    assert case.refused in conversions[case.name].refused


@named(*(case for case in ENDING if case.stop and case.stop.why))
def test_profile_says_why_the_token_ends_an_answer(
    case: Case, conversions: dict[str, Conversion]
) -> None:
    profile, stop = conversions[case.name].profile, wanted_stop(case)
    assert profile is not None
    reasons = {entry.token: entry.why for entry in profile.end_of_turn}
    assert stop.token is not None
    assert stop.why is not None
    assert stop.why in reasons[stop.token]


@named(*SERVED)
def test_converted_adapter_gets_the_prompt_of_its_training(case: Case, chat: httpx.Client) -> None:
    check_prompt(chat, case)


@named(*SERVED)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_converted_adapter_ends_where_it_should(
    case: Case, chat: httpx.Client, *, stream: bool
) -> None:
    check_answer(chat, case, case.name, stream=stream)


@named(*(case for case in ALL if case.name in CONVERTED_BY_THE_SERVER))
def test_raw_adapter_is_converted_on_its_way_into_the_server(
    case: Case, chat: httpx.Client
) -> None:
    check_answer(chat, case, f"raw.{case.name}", stream=False)


@named(*APART)
def test_converted_adapter_that_shares_no_base_ends_where_it_should(
    case: Case, directories: Directories, conversions: dict[str, Conversion], tmp_path: Path
) -> None:
    assert conversions[case.name].profile is not None
    converted = directories.converted / case.name
    if case.apart == "merged":
        model, flags = converted, ["--served-model-name", case.name]
    else:
        model, flags = directories.base, ["--adapter", f"{case.name}={converted}"]
    with serving(tmp_path, model, *flags) as client:
        check_prompt(client, case)
        check_answer(client, case, case.name, stream=False)
        check_answer(client, case, case.name, stream=True)


def test_every_cause_from_a1_to_e1_has_a_case() -> None:
    shown = {case.name.partition("-")[0] for case in ALL}
    groups = [("a", 4), ("b", 5), ("c", 4), ("d", 6), ("e", 1)]
    assert {f"{group}{number}" for group, last in groups for number in range(1, last + 1)} <= shown


def wanted_stop(case: Case) -> Stop:
    assert case.stop is not None
    return case.stop


def check_prompt(chat: httpx.Client, case: Case) -> None:
    reply = chat.post("/tokenize", json={"model": case.name, "messages": case.messages})
    assert reply.json()["tokens"] == case.words().encode(case.prompt)


def check_answer(chat: httpx.Client, case: Case, model: str, *, stream: bool) -> None:
    text, end = ask(chat, case, model, stream=stream)
    words, stop, detail = case.words(), wanted_stop(case), end["stop_detail"]
    if case.max_tokens is None:
        assert text == case.answer
    else:
        assert text == words.tokenizer.decode(case.said(case.max_tokens))
    assert detail["kind"] == stop.kind
    assert end["finish_reason"] == ("length" if stop.kind == "max_tokens" else "stop")
    if stop.token is not None:
        assert detail["token_id"] == words.id(stop.token)
    if stop.text is not None:
        assert detail["text"] == stop.text


def ask(chat: httpx.Client, case: Case, model: str, *, stream: bool) -> tuple[str, dict[str, Any]]:
    """The answer, and the choice or chunk that carries its end."""
    body = {"model": model, "messages": case.messages, "temperature": 0, **case.request}
    if not stream:
        reply = chat.post("/v1/chat/completions", json=body)
        choice: dict[str, Any] = reply.raise_for_status().json()["choices"][0]
        return choice["message"]["content"], choice
    pieces: list[str] = []
    last: dict[str, Any] = {}
    with chat.stream("POST", "/v1/chat/completions", json={**body, "stream": True}) as reply:
        for line in reply.iter_lines():
            if line.startswith("data: {"):
                last = json.loads(line.removeprefix("data: "))["choices"][0]
                pieces.append(last["delta"].get("content") or "")
    return "".join(pieces), last
