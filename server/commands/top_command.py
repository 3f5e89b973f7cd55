"""`endturn top`: reads a running server's /metrics again and again, and draws what it did in the last minute."""

import http.client
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ..errors import UnreadableServer
from .top import AdapterRow, Frame, Scrape, frame, read_page

WINDOW_S = 60.0
_TIMEOUT_S = 5.0
_MAX_PAGE_BYTES = 64 << 20
# As the alert rules: so much more than was learned is too much.
_TOO_MANY = 0.05


def metrics_url(server: str) -> str:
    """The address of the page: `server` may leave out the scheme and /metrics.

    Raises:
        UnreadableServer: it is no http address.
    """
    url = server if "://" in server else f"http://{server}"
    if not url.startswith(("http://", "https://")):
        raise UnreadableServer(f"{server}: not an http address; write http://HOST:PORT")
    url = url.rstrip("/")
    return url if url.endswith("/metrics") else f"{url}/metrics"


def scrape(url: str) -> Scrape:
    """Read the page once.

    Raises:
        UnreadableServer: nothing answers there, or what answers is not an endturn server.
    """
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as reply:  # noqa: S310  (http only, see metrics_url)
            text = reply.read(_MAX_PAGE_BYTES).decode()
    except urllib.error.HTTPError as exc:
        exc.close()
        hint = "; is it served elsewhere (--metrics-port)?" if exc.code == 404 else ""
        raise UnreadableServer(f"{url}: answers with status {exc.code}{hint}") from exc
    except (OSError, ValueError, http.client.HTTPException) as exc:
        reason = getattr(exc, "reason", exc)
        raise UnreadableServer(f"{url}: cannot be read ({reason}); is the server running?") from exc
    try:
        return read_page(text, time.monotonic())
    except UnreadableServer as exc:
        raise UnreadableServer(f"{url}: {exc}") from exc


def frames(url: str, interval_s: float, sleep: Callable[[float], None]) -> Iterator[Frame]:
    """Frame after frame, each over the last WINDOW_S; the first is since the server's start."""
    kept = deque([scrape(url)])
    yield frame(None, kept[0])
    while True:
        sleep(interval_s)
        now = scrape(url)
        while len(kept) > 1 and now.at_s - kept[1].at_s >= WINDOW_S:
            kept.popleft()
        yield frame(kept[0], now)
        kept.append(now)


def top_command(
    server: str,
    *,
    interval_s: float,
    once: bool,
    console: Console,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Draw until interrupted, or one frame; the exit status.

    Raises:
        UnreadableServer: the server cannot be read, now or later.
    """
    url = metrics_url(server)
    shown = frames(url, interval_s, sleep)
    first = next(shown)
    if once:
        console.print(draw(first, url))
        return 0
    try:
        with Live(draw(first, url), console=console, auto_refresh=False) as live:
            for made in shown:
                live.update(draw(made, url), refresh=True)
    except KeyboardInterrupt:
        pass
    return 0


def draw(shown: Frame, url: str) -> RenderableType:
    """The frame as a line about the server and a table of adapters, those that run away first."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("adapter", no_wrap=True)
    table.add_column("state")
    for column in ("answers", "/s", "tokens/s", "runaway", "learned", "p50", "p95"):
        table.add_column(column, justify="right")
    table.add_column("stops", overflow="fold")
    for row in shown.rows:
        table.add_row(*_cells(row), style="" if row.num_answers else "dim")
    return Group(Text(_head(shown, url)), Text(), table)


def _head(shown: Frame, url: str) -> str:
    since = "since its start" if shown.seconds is None else f"last {shown.seconds:.0f} s"
    parts = [url.removesuffix("/metrics"), since, f"{shown.num_in_flight} in flight"]
    if shown.answers_per_s is not None:
        parts.append(f"{_rate(shown.answers_per_s)} answers/s")
        parts.append(f"{_rate(shown.tokens_per_s)} tokens/s")
    if shown.num_rejected:
        parts.append("rejected: " + _listed(shown.num_rejected))
    return "   ".join(parts)


def _cells(row: AdapterRow) -> list[RenderableType]:
    too_many = row.runaway is not None and row.runaway > (row.learned_runaway or 0) + _TOO_MANY
    return [
        Text(row.adapter),
        row.state,
        str(row.num_answers),
        _rate(row.answers_per_s),
        _rate(row.tokens_per_s),
        Text(_share(row.runaway), style="bold red" if too_many else ""),
        _share(row.learned_runaway),
        _number(row.p50),
        _number(row.p95),
        _listed(row.kinds),
    ]


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
