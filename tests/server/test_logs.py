"""What is logged of a request, what never is, and that text from outside cannot make or shape a line."""

import asyncio
import io
import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from server import serving
from server.cli import engine as cli_engine
from server.errors import InvalidRequest, StartError
from server.observing.logs import (
    ENGINE_LOGGING_FILE,
    JsonFormatter,
    LineFormatter,
    RepeatFilter,
    configure_logging,
    engine_handler,
)
from server.observing.request_record import MAX_TRANSCRIPT_CHARS
from server.prompt import PromptRenderer
from server.settings import Settings, read_settings
from tests.fakes import EOS, ScriptedEngine, delta
from tests.server.captured_log import captured_log
from tests.server.running import running
from tests.server.test_start import settings_for

FORGED = "x\n2026-01-01T00:00:00.000Z INFO server: forged\r\x85\u2028\x1b[31mred\x00"
Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that the server and uvicorn log meanwhile, at every level, as JSON lines."""
    with captured_log(JsonFormatter()) as written:
        yield written


@pytest.fixture
def lines(log: io.StringIO) -> Lines:
    """The lines of requests for an answer, or of a path nobody has, so far."""

    def read() -> list[dict[str, Any]]:
        made = [json.loads(line) for line in log.getvalue().splitlines()]
        return [line for line in made if line["logger"] == "server.observing.request_log"]

    return read


def record(message: str, *args: object, facts: dict[str, Any] | None = None) -> logging.LogRecord:
    made = logging.LogRecord("server.x", logging.INFO, __file__, 1, message, args, None)
    made.created = 1_700_000_000.25
    if facts is not None:
        made.facts = facts
    return made


def test_the_two_styles_say_the_same() -> None:
    made = record("asked by %s", "me", facts={"id": "a-1", "n": 3, "kinds": ["eos"], "q": "a b"})
    assert json.loads(JsonFormatter().format(made)) == {
        "ts": "2023-11-14T22:13:20.250Z",
        "level": "info",
        "logger": "server.x",
        "message": "asked by me",
        "id": "a-1",
        "n": 3,
        "kinds": ["eos"],
        "q": "a b",
    }
    line = LineFormatter().format(made)
    assert line == (
        '2023-11-14T22:13:20.250Z INFO server.x: asked by me id=a-1 n=3 kinds=eos q="a b"'
    )


@pytest.mark.parametrize("formatter", [JsonFormatter(), LineFormatter()])
def test_text_from_outside_makes_no_line(formatter: logging.Formatter) -> None:
    line = formatter.format(
        record("%s", FORGED, facts={"model": FORGED, "path": "\ud800 status=200"})
    )
    assert len(line.splitlines()) == 1
    assert line.isprintable()
    line.encode()


def test_values_cannot_look_like_others() -> None:
    line = LineFormatter().format(record("request", facts={"path": "/a status=200", "status": 404}))
    assert line.endswith('request path="/a status=200" status=404')


@pytest.mark.parametrize("formatter", [JsonFormatter(), LineFormatter()])
def test_traces_are_kept_and_cannot_forge_a_line(formatter: logging.Formatter) -> None:
    made = record("failed")
    try:
        json.loads(FORGED)
    except ValueError as exc:
        exc.add_note(FORGED)
        made.exc_info = sys.exc_info()
    written = formatter.format(made)
    assert "JSONDecodeError" in written
    first, *others = written.splitlines()
    assert "failed" in first
    assert all(line.startswith("    ") for line in others)
    assert "\x1b" not in written


def test_a_library_that_repeats_itself_is_heard_once_a_minute() -> None:
    now = [0.0]
    heard = RepeatFilter(clock=lambda: now[0])
    away = logging.LogRecord("opentelemetry.x", logging.WARNING, "", 1, "away", (), None)
    assert [heard.filter(away), heard.filter(away)] == [True, False]
    assert all(heard.filter(record("ours")) for _ in range(2))
    now[0] = 60.0
    assert heard.filter(away)


async def test_one_line_a_request_with_what_it_came_to(
    renderer: PromptRenderer, lines: Lines
) -> None:
    async with running(renderer) as run:
        run.engine.enqueue(delta("Yes.\n"), delta("\n### Human: more"))
        await run.client.post(
            "/v1/chat/completions",
            json={"model": "chat", "messages": [{"role": "user", "content": "secret prompt"}]},
            headers={"X-Request-Id": "r-1"},
        )
        [line] = lines()
        assert line.pop("duration_s") >= line.pop("ttft_s") > 0
        assert line.pop("ts").endswith("Z")
        prompt_tokens = len(run.engine.requests[0].prompt_token_ids)
        assert line == {
            "level": "info",
            "logger": "server.observing.request_log",
            "message": "request",
            "request_id": "r-1",
            "method": "POST",
            "route": "/v1/chat/completions",
            "status": 200,
            "client_gone": False,
            "model": "chat",
            "adapter": "chat",
            "stream": False,
            "prompt_tokens": prompt_tokens,
            "stop_kinds": ["role_marker"],
            "generated_tokens": 21,
            "trimmed_tokens": 17,
        }


async def test_streams_choices_and_plain_requests_have_one_line_too(
    renderer: PromptRenderer, lines: Lines
) -> None:
    async with running(renderer) as run:
        run.engine.enqueue(
            delta("a"), delta("b\n\n### Human:", index=1), delta([EOS], "stop"), delta("never")
        )
        await run.chat(n=2, temperature=1, stream=True)
        await run.client.get("/v1/models")
        await run.client.get("/readyz")
        await run.client.get("/secret\u2028path?key=hidden")
        stream, models, ready, nowhere = lines()
        assert (stream["stream"], stream["stop_kinds"]) == (True, ["eos", "role_marker"])
        assert (models["route"], models["level"]) == ("/v1/models", "info")
        assert "model" not in models
        assert (ready["route"], ready["level"]) == ("/readyz", "debug"), "probes are not news"
        assert (nowhere["status"], nowhere["path"]) == (404, "/secret\u2028path")
        assert "route" not in nowhere


async def test_failures_have_a_code(renderer: PromptRenderer, lines: Lines) -> None:
    async with running(renderer, api_key=("k",)) as run:
        run.client.headers["Authorization"] = "Bearer k"
        assert (await run.chat(model=FORGED + "m" * 180)).status_code == 404
        await run.client.get("/v1/models", headers={"Authorization": "no"})
        run.engine.enqueue(RuntimeError("a bug"))
        await run.chat()
        for error in (InvalidRequest("no"), RuntimeError("a bug")):
            run.engine.enqueue(delta("abc"), error)
            await run.chat(stream=True)
        unknown, unauthorized, bug, refused, broken = lines()
        assert (unknown["status"], unknown["error_code"]) == (404, "model_not_found")
        assert unknown["model"] == (FORGED + "m" * 180)[:200]
        assert "adapter" not in unknown
        assert (unauthorized["status"], unauthorized["error_code"]) == (401, "invalid_api_key")
        assert (bug["status"], bug["error_code"]) == (500, "server_error")
        assert (refused["status"], refused["error_code"]) == (200, "invalid_request_error")
        assert (broken["status"], broken["error_code"]) == (200, "server_error")
        assert broken["stop_kinds"] == ["abort"]
        assert not any(line["client_gone"] for line in lines())


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_left_is_told_from_one_that_was_answered(
    renderer: PromptRenderer, lines: Lines, *, stream: bool
) -> None:
    async with running(renderer) as run:
        run.engine.enqueue(delta("abc"), 30.0)
        asking = asyncio.create_task(run.chat(stream=stream))
        await run.until(lambda: run.engine.open)
        await asyncio.sleep(0.1)
        asking.cancel()
        await run.until(lines)
        [line] = lines()
        assert (line["client_gone"], line["stop_kinds"]) == (True, ["abort"])
        assert line["generated_tokens"] == 3
        assert line["status"] == (200 if stream else 499)


async def test_a_client_that_leaves_inside_its_body_is_no_bug(
    renderer: PromptRenderer, lines: Lines, log: io.StringIO
) -> None:
    async with running(renderer) as run:
        url = run.client.base_url
        _, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nContent-Length: 99\r\n\r\n{"
        )
        await writer.drain()
        writer.close()
        await run.until(lines)
        [line] = lines()
        assert (line["client_gone"], line["status"]) == (True, 499)
        assert '"level": "error"' not in log.getvalue()


async def test_no_text_of_a_request_is_logged_unless_asked_for(
    renderer: PromptRenderer, log: io.StringIO
) -> None:
    async with running(renderer) as run:
        for content in ("ZEBRA", {"ZEBRA": 1}):
            run.engine.enqueue(delta("GIRAFFE"), delta([EOS], "stop"))
            await run.chat(messages=[{"role": "user", "content": content}])
        run.engine.enqueue(delta("GIRAFFE"), InvalidRequest("no"))
        await run.chat(messages=[{"role": "user", "content": "ZEBRA"}], stream=True)
    assert "ZEBRA" not in log.getvalue()
    assert "GIRAFFE" not in log.getvalue()


async def test_texts_are_logged_where_the_operator_asks_and_cut(
    renderer: PromptRenderer, lines: Lines
) -> None:
    async with running(renderer, log_content=True) as run:
        run.engine.enqueue(
            delta("one"),
            delta("two", index=1),
            delta([EOS], "stop"),
            delta("\n\n### Human:", index=1),
        )
        await run.chat(n=2, temperature=1)
        run.engine.max_model_len = 100_000
        long = " ".join(map(str, range(2000)))
        run.engine.enqueue(delta(long[:3000]), delta(long[3000:]), delta([EOS], "stop"))
        await run.chat(
            messages=[{"role": "user", "content": "x" * 9000}],
            endturn={"guards": False},
            stream=True,
        )
        first, second = lines()
        assert first["prompt"] == "<bos>user: hi\nassistant: "
        assert first["answers"] == ["one", "two"], "what the client was given, in order"
        assert len(second["prompt"]) == MAX_TRANSCRIPT_CHARS
        assert second["answers"] == [long[:MAX_TRANSCRIPT_CHARS]]


async def test_secrets_are_never_logged(renderer: PromptRenderer, log: io.StringIO) -> None:
    async with running(renderer, api_key=("SECRET-1", "SECRET-2"), log_content=True) as run:
        for key in ("Bearer SECRET-1", "Bearer SECRET-3", "Basic SECRET-4"):
            run.client.headers["Authorization"] = key
            run.engine.enqueue(RuntimeError("a bug"))
            await run.chat()
            await run.client.get("/v1/models?api_key=SECRET-5")
            await run.client.get("/nope?api_key=SECRET-5", headers={"X-Api-Key": "SECRET-6"})
        logging.getLogger("server").info("started with %r", run.server.settings)
    assert "server.observing.request_log" in log.getvalue()
    assert "SECRET" not in log.getvalue()


def test_every_logger_is_written_in_the_chosen_format(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(logging.root, "handlers", [])
    root_level, level = logging.root.level, logging.getLogger("server").level
    try:
        configure_logging("error", "json")
        logging.getLogger("server.a").warning("not now")
        logging.getLogger("uvicorn.error").info("not now")
        logging.getLogger("server.a").error("ours")
        logging.getLogger("uvicorn.error").warning("uvicorn's")
        logging.getLogger("elsewhere").warning("a library's")
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            logging.captureWarnings(True)  # pytest holds on to warnings itself
            warnings.warn("Python's", UserWarning, stacklevel=1)
        made = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
        assert [line["message"].split(" ")[-1] for line in made[:3]] == [
            "ours",
            "uvicorn's",
            "library's",
        ]
        assert made[3]["logger"] == "py.warnings"
        configure_logging("info")
        logging.getLogger("server.a").info("ours")
        assert capsys.readouterr().err.endswith(" INFO server.a: ours\n")
    finally:
        logging.captureWarnings(False)
        logging.root.setLevel(root_level)
        logging.getLogger("server").setLevel(level)


def test_vllms_lines_take_the_same_format(monkeypatch: pytest.MonkeyPatch) -> None:
    script = (
        "import json, logging.config, sys\n"
        "logging.config.dictConfig(json.load(open(sys.argv[1])))\n"
        "logging.getLogger('vllm.v1').info('no'); logging.getLogger('vllm.v1').warning('%s', 'a\\nb')"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, str(ENGINE_LOGGING_FILE)],
        env={"VLLM_LOGGING_LEVEL": "WARNING"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    [line] = run.stderr.splitlines()
    assert json.loads(line)["message"] == "a\nb"
    level = logging.getLogger("vllm").level
    monkeypatch.setenv("VLLM_LOGGING_LEVEL", "error")
    assert isinstance(engine_handler(), logging.StreamHandler)
    assert logging.getLogger("vllm").level == logging.ERROR
    logging.getLogger("vllm").setLevel(level)


def test_vllm_is_told_only_where_the_format_is_json(monkeypatch: pytest.MonkeyPatch) -> None:
    environ: dict[str, str] = {}
    monkeypatch.setattr("os.environ", environ)
    assert cli_engine.observed_as(Settings(model="m")) == []
    assert environ == {}
    assert cli_engine.observed_as(Settings(model="m", log_format="json")) == []
    assert environ == {"VLLM_LOGGING_CONFIG_PATH": str(ENGINE_LOGGING_FILE)}
    environ["VLLM_LOGGING_CONFIG_PATH"] = "the operator's"
    cli_engine.observed_as(Settings(model="m", log_format="json"))
    assert environ == {"VLLM_LOGGING_CONFIG_PATH": "the operator's"}


async def test_the_welcome_is_a_line_like_others_in_json(
    base_dir: Path, tmp_path: Path, log: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = settings_for(base_dir, tmp_path, log_format="json")
    task = asyncio.create_task(
        serving.serve(settings, lambda *_: ScriptedEngine(), CollectorRegistry())
    )
    async with asyncio.timeout(30):
        while '"ready"' not in log.getvalue():
            await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    [ready] = [
        line for line in map(json.loads, log.getvalue().splitlines()) if line["message"] == "ready"
    ]
    assert ready["address"] == f"http://127.0.0.1:{settings.port}"
    assert ready["models"] == [str(base_dir)]
    assert "is ready" not in capsys.readouterr().err


@pytest.mark.parametrize(("name", "value"), [("log_format", "xml"), ("log_content", "perhaps")])
def test_wrong_settings_name_themselves(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    with pytest.raises(StartError, match=f"--{name.replace('_', '-')}"):
        read_settings({"model": "m", name: value})
    monkeypatch.setenv(f"ENDTURN_{name.upper()}", value)
    with pytest.raises(StartError, match=f"ENDTURN_{name.upper()}"):
        read_settings({"model": "m"})
