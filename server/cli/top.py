"""The command line of `endturn top`. Heavy imports wait until it runs."""

from typing import Annotated

import typer

from .adapters import run_command


def top(
    server: Annotated[
        str, typer.Argument(metavar="URL", help="A running server, or its metrics port.")
    ] = "http://127.0.0.1:8000",
    interval: Annotated[float, typer.Option(help="Seconds between two readings.", min=0.1)] = 2.0,
    once: Annotated[
        bool, typer.Option("--once", help="Print one frame, since the server's start, and leave.")
    ] = False,
) -> None:
    """Watch a running server: what its adapters answer, how answers end, and which adapter runs away.

    Shows the last minute; Ctrl-C leaves. 'runaway' leaves out answers that reached a limit the client set.
    """
    from rich.console import Console

    from ..commands.top_command import top_command

    console = Console(highlight=False, markup=False, emoji=False)
    run_command(lambda: top_command(server, interval_s=interval, once=once, console=console))
