"""Chat templates rendered in processes of their own, by transformers' sandboxed renderer. Knows no torch.

Templates come with adapters and are untrusted (they may loop or ask for memory without end), so the parent can
kill the process and start another. The server holds a pool of them; a conversion uses one `TemplateProcess`.
"""

import multiprocessing
import resource
import signal
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import orjson
import pebble

MAX_RENDERED_CHARS = 16 << 20
MAX_MEMORY_BYTES = 2 << 30
MAX_REFUSAL_CHARS = 1000


class TemplateRefusal(Exception):
    """The template itself refuses or fails; the text is for the client."""


class TemplateTooCostly(TemplateRefusal):
    """The template takes more time or memory than one may."""


def prepare_worker() -> None:
    """Limit memory, leave Ctrl-C to the parent, and load the renderer before the first request needs it."""
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import transformers.utils.chat_template_utils  # noqa: F401


def render(template: str, conversation: bytes) -> str:
    """The prompt text of one conversation, by transformers' sandboxed renderer.

    `conversation` is JSON, `[messages, options]`: objects nested by a client must never meet the pool's own pickling.

    Raises:
        TemplateRefusal: with what the template said.
    """
    from jinja2 import TemplateError  # noqa: PLC0415
    from transformers.utils.chat_template_utils import render_jinja_template

    messages, options = orjson.loads(conversation)
    try:
        rendered = render_jinja_template([messages], chat_template=template, **options)
        text = str(rendered[0][0])  # one conversation; the second part is for training
        text.encode()  # half a surrogate pair is no character
    except TemplateError as exc:
        raise TemplateRefusal((exc.message or type(exc).__name__)[:MAX_REFUSAL_CHARS]) from None
    except MemoryError:
        raise TemplateTooCostly("it needs too much memory") from None
    except Exception as exc:  # whatever a template can do wrong: it is a program
        message = f"{type(exc).__name__}: {exc}"
        raise TemplateRefusal(message[:MAX_REFUSAL_CHARS]) from exc
    if len(text) > MAX_RENDERED_CHARS:
        raise TemplateTooCostly(f"it makes more than {MAX_RENDERED_CHARS:,} characters")
    return text


class TemplateProcess:
    """One worker, started at the first `render` and ended with the context."""

    def __init__(self, *, timeout_s: float = 10.0) -> None:
        self._timeout_s = timeout_s
        self._pool: pebble.ProcessPool | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.stop()
            self._pool.join(timeout=5)

    def render(
        self, template: str, messages: Sequence[Mapping[str, Any]], options: Mapping[str, Any]
    ) -> str:
        """The text of one conversation.

        Raises:
            TemplateRefusal: the template refuses it, fails, or takes too much time or memory.
        """
        if self._pool is None:
            self._pool = worker_pool(1)
        conversation = orjson.dumps([messages, options])
        future = self._pool.submit(render, self._timeout_s, template, conversation)
        try:
            text: str = future.result()
        except TimeoutError:
            raise TemplateTooCostly(f"it did not finish within {self._timeout_s:g} s") from None
        except pebble.ProcessExpired:
            raise TemplateTooCostly("it ended the process that rendered it") from None
        return text


def worker_pool(num_workers: int) -> pebble.ProcessPool:
    """Processes that `render` may be submitted to."""
    return pebble.ProcessPool(
        max_workers=num_workers,
        initializer=prepare_worker,
        context=multiprocessing.get_context("spawn"),
    )
