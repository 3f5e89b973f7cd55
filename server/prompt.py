"""Messages -> token ids: by the model's template, sandboxed, in worker processes, never on the event loop."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pebble
from transformers import AutoTokenizer

from adapters.errors import printable
from adapters.rendering import TemplateRefusal, render, worker_pool

from .errors import InternalError, InvalidRequest, StartError
from .schema.request_parts import Message
from .served_model import ServedModel
from .tokenizer import ChatTokenizer

# What a client's chat_template_kwargs may not replace: these carry the request itself.
RESERVED_KWARGS = frozenset(
    {"conversations", "messages", "tools", "documents", "chat_template", "add_generation_prompt"}
    | {"continue_final_message", "return_assistant_tokens_mask"}
)

# What Jinja runs of a template, strings in it, and the variable that holds the tools. A block that is never closed ends with the
# template: looking for an end after each opening would take hours for a template of openings.
_CODE = re.compile(r"\{[{%]((?:(?![}%]\}).)*+)", re.DOTALL)
_STRINGS = re.compile(r"'[^']*'|\"[^\"]*\"")
_TOOLS = re.compile(r"(?<![\w.])tools\b")
_WARM_UP_TIMEOUT_S = 120


def load_tokenizer(path: Path) -> ChatTokenizer:
    """The tokenizer in a model directory; no code of the directory is run.

    Raises:
        StartError: there is none, or it cannot be read.
    """
    try:
        loaded = AutoTokenizer.from_pretrained(path, trust_remote_code=False)
        tokenizer = loaded.backend_tokenizer
    except Exception as exc:  # transformers and tokenizers raise nothing narrower
        reason = printable(str(exc))
        raise StartError(f"{path}: its tokenizer cannot be loaded ({reason})") from exc
    # A tokenizer.json can carry a training script's truncation; a prompt must never be cut silently.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    special = {name: str(text) for name, text in loaded.special_tokens_map.items()}
    added = tokenizer.get_added_tokens_decoder()
    return ChatTokenizer(
        tokenizer=tokenizer,
        eos_token_id=loaded.eos_token_id,
        special_tokens=special,
        special_ids={token.content: token_id for token_id, token in added.items() if token.special},
        vocab_size=tokenizer.get_vocab_size(),
        chat_template=loaded.chat_template if isinstance(loaded.chat_template, str) else None,
    )


class PromptRenderer:
    """Renders and tokenises. Holds the worker processes; `close` ends them."""

    def __init__(self, *, timeout_s: float, num_workers: int = 2) -> None:
        self._timeout_s = timeout_s
        self._pool = worker_pool(num_workers)
        self._warm_up = self._pool.submit(render, _WARM_UP_TIMEOUT_S, "ready", b"[[],{}]")

    async def wait_until_warm(self) -> None:
        """Wait for a worker to be there, so that no request pays for its start."""
        await asyncio.wrap_future(self._warm_up)

    async def render_chat(
        self,
        model: ServedModel,
        messages: Sequence[Message],
        *,
        add_generation_prompt: bool,
        continue_final_message: bool,
        template_kwargs: Mapping[str, Any],
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> list[int]:
        """Token ids of a conversation.

        Raises:
            InvalidRequest: no template, or one that knows no tools where there are some, or the template refuses
                the messages, loops or takes too much.
        """
        if model.template is None:
            raise InvalidRequest(
                f"model {model.name!r} has no chat template; start the server with --chat-template FILE, "
                "put chat_template.jinja into the adapter directory, or use /v1/completions",
                param="model",
                code="no_chat_template",
            )
        if add_generation_prompt and continue_final_message:
            # OpenAI-style clients send only the second; the first is then its default.
            add_generation_prompt = False
        _check_template_kwargs(template_kwargs)
        if tools and not reads_tools(model.template):
            raise InvalidRequest(
                f"tools: the chat template of {model.name!r} has no place for tools; leave them out, or serve the model "
                "with a template that shows them (--chat-template FILE, or chat_template.jinja in the adapter directory)",
                param="tools",
                code="template_without_tools",
            )
        options: dict[str, Any] = {
            **model.tokenizer.special_tokens,
            **template_kwargs,
            "add_generation_prompt": add_generation_prompt,
            "continue_final_message": continue_final_message,
        }
        if tools:
            options["tools"] = list(tools)
        text = await self._render(model.template, _told(messages, model.template), options)
        # Templates write the special tokens themselves, the beginning-of-sequence token included.
        return await self.encode(model.tokenizer, text, add_special_tokens=False)

    async def encode(
        self, tokenizer: ChatTokenizer, text: str, *, add_special_tokens: bool
    ) -> list[int]:
        """Token ids of plain text, made in a thread (tokenizers leaves the interpreter lock)."""
        return await asyncio.to_thread(
            tokenizer.encode, text, add_special_tokens=add_special_tokens
        )

    async def _render(
        self, template: str, messages: list[dict[str, Any]], options: dict[str, Any]
    ) -> str:
        future = self._pool.submit(render, self._timeout_s, template, _as_json(messages, options))
        try:
            text: str = await asyncio.wrap_future(future)
        except TemplateRefusal as exc:
            raise InvalidRequest(
                f"the chat template refuses these messages: {exc}",
                param="messages",
                code="template_error",
            ) from exc
        except TimeoutError as exc:
            raise InvalidRequest(
                f"the chat template did not finish within {self._timeout_s:g} s",
                param="messages",
                code="template_timeout",
            ) from exc
        except pebble.ProcessExpired as exc:
            raise InternalError("the process that renders chat templates ended; try again") from exc
        return text

    def close(self) -> None:
        """End the worker processes."""
        self._pool.stop()
        self._pool.join(timeout=5)


def reads_tools(template: str) -> bool:
    """Whether the code of a template names `tools`; what stands in its text or in strings does not count."""
    code = (_STRINGS.sub("", block) for block in _CODE.findall(template))
    return any(_TOOLS.search(block) for block in code)


def _told(messages: Sequence[Message], template: str) -> list[dict[str, Any]]:
    """The messages as the template is told them.

    Where it knows no `developer`, OpenAI's newer name of the system role, those are system messages, and these are then one,
    as in vLLM: most templates allow no more, and only at the beginning.
    """
    told = [message.for_template() for message in messages]
    if "'developer'" in template or '"developer"' in template:
        return told
    if all(message["role"] != "developer" for message in told):
        return told
    is_system = [message["role"] in {"system", "developer"} for message in told]
    texts = [message.text for message, is_one in zip(messages, is_system, strict=True) if is_one]
    others = [message for message, is_one in zip(told, is_system, strict=True) if not is_one]
    return [{"role": "system", "content": "\n\n".join(texts)}, *others]


def _as_json(messages: list[dict[str, Any]], options: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps([messages, options])
    except orjson.JSONEncodeError as exc:
        raise InvalidRequest(
            f"messages or chat_template_kwargs cannot be rendered: {exc}", param="messages"
        ) from exc


def _check_template_kwargs(template_kwargs: Mapping[str, Any]) -> None:
    taken = RESERVED_KWARGS.intersection(template_kwargs)
    if taken:
        raise InvalidRequest(
            f"chat_template_kwargs: {', '.join(sorted(taken))} cannot be set there",
            param="chat_template_kwargs",
        )
