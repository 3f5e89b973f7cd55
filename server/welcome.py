"""What the operator is told when the server is ready: the address, the models, and a request to try."""

import logging
from collections.abc import Sequence
from typing import Any

from rich.console import Console

from .demo import DEMO, GEMMA_NOTICE
from .settings import Settings

logger = logging.getLogger(__name__)


def show_welcome(settings: Settings, names: Sequence[str], listening: tuple[Any, ...]) -> None:
    """Tell it on standard error: for people, or as one line of the log where lines are JSON.

    Args:
        names: what is served, the base first.
        listening: host and port, as a socket gives them.
    """
    host, port = listening[:2]
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    if settings.log_format == "json":
        logger.info("ready", extra={"facts": {"address": address, "models": list(names)}})
        return
    asked = names[1] if len(names) > 1 else names[0]
    out = Console(stderr=True, highlight=False, soft_wrap=True)
    out.print(f"\n[bold]endturn[/] is ready at {address}")
    out.print(f"models: {', '.join(names)}")
    if settings.model == DEMO:
        out.print(f"[dim]{GEMMA_NOTICE}.[/]")
    if not settings.api_key and settings.api_key_file is None:
        out.print("[dim]no API keys are set: whoever reaches this address may use it.[/]")
    question = "What does os.path.join do?" if settings.model == DEMO else "Hi"
    out.print("try:", style="dim")
    body = f'{{"model": "{asked}", "messages": [{{"role": "user", "content": "{question}"}}]}}'
    out.print(
        f"  curl {address}/v1/chat/completions -H 'Content-Type: application/json' -d '{body}'\n",
        markup=False,
    )
