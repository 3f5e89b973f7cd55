"""`endturn top`: rows from captured pages, and frames from a running server."""

import asyncio
import io
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from rich.console import Console
from typer.testing import CliRunner

from server.cli import app as cli
from server.commands.top import Frame, Scrape, frame, quantile, read_page
from server.commands.top_command import draw, frames, metrics_url, top_command
from server.errors import UnreadableServer
from server.finish import Finish, StopCause, StopKind, TokenLimit
from server.observing.metrics import Metrics
from server.observing.request_record import RequestRecord
from server.prompt import PromptRenderer
from tests.fakes import IM_END, delta, profile, served
from tests.ports import free_port
from tests.server.running import running
from tests.server.test_metrics import verification, weights


class Pages:
    """A server's metrics, without the server: answers in, pages out."""

    def __init__(self) -> None:
        self.metrics = Metrics(CollectorRegistry())
        self.metrics.expect("support")
        self.metrics.adapters.set_state("support", "ready")

    def answer(
        self, kind: StopKind, num_tokens: int, number: int = 1, limit: Any = "profile"
    ) -> None:
        finish = Finish(
            index=0,
            cause=StopCause(kind=kind),
            limit=TokenLimit(value=100, set_by=limit),
            num_tokens=num_tokens,
        )
        for _ in range(number):
            self.metrics.observe(RequestRecord(adapter="support", finishes=[finish], status=200))

    def scrape(self, at_s: float) -> Scrape:
        return read_page(generate_latest(self.metrics.registry).decode(), at_s)


def drawn(shown: Frame) -> str:
    console = Console(file=io.StringIO(), width=160, highlight=False, markup=False)
    console.print(draw(shown, "http://x/metrics"))
    return str(console.file.getvalue())  # type: ignore[attr-defined]  # it is the StringIO above


def test_one_page_tells_what_was_since_the_start() -> None:
    pages = Pages()
    pages.answer("eos", 10, number=6)
    pages.answer("calibrated", 40, number=2)
    pages.answer("max_tokens", 100, number=2)
    pages.answer("max_tokens", 5, number=10, limit="client")
    pages.metrics.http.reject("not_ready")
    shown = frame(None, pages.scrape(1.0))
    (row,) = shown.rows
    assert (row.adapter, row.state, row.num_answers) == ("support", "ready", 20)
    assert row.kinds == {"max_tokens": 12, "eos": 6, "calibrated": 2}
    assert row.runaway == 0.1, "limits that clients set are left out"
    assert (row.answers_per_s, row.tokens_per_s, shown.seconds) == (None, None, None)
    assert shown.num_rejected == {"not_ready": 1}
    text = drawn(shown)
    assert "since its start" in text
    assert "rejected: not_ready 1" in text
    assert "max_tokens 12, eos 6, calibrated 2" in text


def test_two_pages_tell_what_was_between_them() -> None:
    pages = Pages()
    pages.answer("eos", 10, number=50)
    before = pages.scrape(100.0)
    pages.answer("max_tokens", 100, number=3)
    pages.answer("eos", 10, number=17)
    shown = frame(before, pages.scrape(110.0))
    (row,) = shown.rows
    assert (row.num_answers, row.answers_per_s, row.tokens_per_s) == (20, 2.0, 47.0)
    assert row.runaway == 0.15
    assert row.p50 is not None
    assert 5 < row.p50 <= 10
    assert row.p95 is not None
    assert 50 < row.p95 <= 100
    assert "last 10 s" in drawn(shown)
    assert "2.0 answers/s   47.0 tokens/s" in drawn(shown)


def test_without_answers_there_are_no_shares() -> None:
    pages = Pages()
    scrape = pages.scrape(1.0)
    (row,) = frame(scrape, pages.scrape(2.0)).rows
    assert (row.runaway, row.p50, row.p95, row.num_answers) == (None, None, None, 0)


def test_a_restart_begins_anew() -> None:
    old, new = Pages(), Pages()
    old.answer("eos", 10, number=5)
    new.answer("eos", 10, number=2)
    shown = frame(old.scrape(1.0), new.scrape(2.0))
    assert (shown.rows[0].num_answers, shown.seconds) == (2, None)


def test_who_runs_away_comes_first_and_is_marked() -> None:
    pages = Pages()
    pages.answer("eos", 10, number=100)
    pages.metrics.expect("loud")
    cut = Finish(
        index=0,
        cause=StopCause(kind="repetition"),
        limit=TokenLimit(value=9, set_by="profile"),
        num_tokens=9,
    )
    pages.metrics.observe(RequestRecord(adapter="loud", finishes=[cut]))
    learned = profile(verification=verification(eos=8, max_tokens=2))
    pages.metrics.adapters.learn(served("support", profile=learned))
    shown = frame(None, pages.scrape(1.0))
    assert [(row.adapter, row.learned_runaway) for row in shown.rows] == [
        ("loud", None),
        ("support", 0.2),
    ]
    console = Console(file=io.StringIO(), width=160, force_terminal=True, color_system="standard")
    console.print(draw(shown, "x"))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]  # it is the StringIO above
    assert ["\x1b[1;31m" in line for line in lines[-2:]] == [True, False]


@pytest.mark.parametrize(
    ("cumulative", "share", "expected"),
    [
        ({}, 0.5, None),
        ({"1.0": 0, "+Inf": 0}, 0.5, None),
        ({"10.0": 10, "20.0": 10, "+Inf": 10}, 0.5, 5.0),
        ({"10.0": 0, "20.0": 10, "+Inf": 10}, 0.5, 15.0),
        ({"10.0": 1, "20.0": 2, "+Inf": 10}, 0.95, 20.0),
        ({"10.0": 10, "+Inf": 10}, 0.0, 0.0),
    ],
)
def test_quantile_is_prometheus_own(
    cumulative: dict[str, float], share: float, expected: float | None
) -> None:
    assert quantile(share, cumulative) == expected


@pytest.mark.parametrize(
    ("server", "url"),
    [
        ("127.0.0.1:8000", "http://127.0.0.1:8000/metrics"),
        ("http://h:1/", "http://h:1/metrics"),
        ("https://h/metrics", "https://h/metrics"),
    ],
)
def test_address_of_the_page(server: str, url: str) -> None:
    assert metrics_url(server) == url


@pytest.fixture
def other_server() -> Iterator[str]:
    """Something that answers HTTP and is not endturn."""
    pages = {
        "/metrics": b"up 1\n",
        "/wrong/metrics": b"<html>{{{</html>",
        "/binary/metrics": b"\xff",
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = pages.get(self.path)
            self.send_response(404 if page is None else 200)
            self.end_headers()
            self.wfile.write(page or b"")

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("", "not an endturn server"),
        ("/wrong", "not Prometheus text"),
        ("/binary", "cannot be read"),
        ("/elsewhere", "status 404; is it served elsewhere"),
    ],
)
def test_what_is_no_endturn_server_is_told_in_one_line(
    other_server: str, path: str, message: str
) -> None:
    run = CliRunner().invoke(cli.app, ["top", other_server + path, "--once"])
    assert run.exit_code == 2
    assert message in run.output
    assert run.output.count("\n") == 1


def test_nobody_there_and_no_address() -> None:
    gone = CliRunner().invoke(cli.app, ["top", f"127.0.0.1:{free_port()}", "--once"])
    assert gone.exit_code == 2
    assert "is the server running?" in gone.output
    wrong = CliRunner().invoke(cli.app, ["top", "ftp://h", "--once"])
    assert "ftp://h: not an http address" in wrong.output
    with pytest.raises(UnreadableServer):
        metrics_url("file:///etc/passwd")


async def test_frames_of_a_running_server(renderer: PromptRenderer) -> None:
    async with running(renderer) as run:
        model = served("chat", adapter=weights("k"), profile=profile())
        await run.server.adapters.start([model])
        url = str(run.client.base_url)
        for _ in range(3):
            run.engine.enqueue(delta("Hello"), delta([*b"!", IM_END], "stop"))
            await run.chat()
        once = await asyncio.to_thread(CliRunner().invoke, cli.app, ["top", url, "--once"])
        assert once.exit_code == 0
        assert "chat" in once.output
        assert "stop_token 3" in once.output

        loop = asyncio.get_running_loop()

        def ask(_: float) -> None:
            run.engine.enqueue(delta("ab", "length"))
            asyncio.run_coroutine_threadsafe(run.chat(), loop).result(10)

        def three() -> list[Frame]:
            made = frames(metrics_url(url), 0.1, ask)
            return [next(made) for _ in range(3)]

        _, second, third = await asyncio.to_thread(three)
        assert (second.rows[0].kinds, third.rows[0].kinds) == ({"max_tokens": 1}, {"max_tokens": 2})
        assert third.rows[0].runaway == 1.0

        asked = iter([ask])

        def ask_once_then_leave(seconds: float) -> None:
            found = next(asked, None)
            if found is None:
                raise KeyboardInterrupt
            found(seconds)

        console = Console(file=io.StringIO(), width=160, highlight=False)
        status = await asyncio.to_thread(
            top_command,
            url,
            interval_s=0.1,
            once=False,
            console=console,
            sleep=ask_once_then_leave,
        )
        assert status == 0
        assert "max_tokens 1" in console.file.getvalue()  # type: ignore[attr-defined]  # it is the StringIO above


def test_the_window_is_a_minute_and_at_most_an_interval_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pages = Pages()
    clock = iter(range(0, 1000, 25))

    def read(_: str) -> Scrape:
        pages.answer("eos", 10)
        return pages.scrape(float(next(clock)))

    monkeypatch.setattr("server.commands.top_command.scrape", read)
    made = frames("http://x/metrics", 25, lambda _: None)
    assert [next(made).seconds for _ in range(6)] == [None, 25, 50, 75, 75, 75]
