"""Runs in a process of its own: renders one chat template. Knows neither the server nor torch.

Templates come with adapters and are untrusted (they may loop or ask for memory without end), so the parent can
kill this process and start another.
"""

import resource
import signal

import orjson

MAX_RENDERED_CHARS = 16 << 20
MAX_MEMORY_BYTES = 2 << 30


class TemplateRefusal(Exception):
    """The template itself refuses or fails; the text is for the client."""


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
    except TemplateError as exc:
        raise TemplateRefusal(exc.message or type(exc).__name__) from None
    except MemoryError:
        raise TemplateRefusal("it needs too much memory") from None
    except (
        TypeError,
        ValueError,
        ArithmeticError,
        LookupError,
        AttributeError,
        RecursionError,
    ) as exc:
        raise TemplateRefusal(f"{type(exc).__name__}: {exc}") from None
    text = str(rendered[0][0])  # one conversation; the second part is for training
    if len(text) > MAX_RENDERED_CHARS:
        raise TemplateRefusal(f"it makes more than {MAX_RENDERED_CHARS:,} characters")
    return text
