"""The wire forms of an answer: server-sent events and whole JSON bodies, for chat and text completion.

What is the same in every event of a stream is encoded once; a token costs one encoding of its text.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from .finish import Finish
from .generation import ChoiceDelta, TokenLogprobs
from .logprobs import LogprobsWriter

DONE = b"data: [DONE]\n\n"


@dataclass(slots=True)
class WholeChoice:
    """One choice collected to its end."""

    pieces: list[str] = field(default_factory=list)
    logprobs: list[TokenLogprobs] = field(default_factory=list)
    finish: Finish | None = None


def usage(num_prompt_tokens: int, num_completion_tokens: int) -> dict[str, int]:
    """OpenAI's usage object; completion tokens are those generated, the end token included."""
    return {
        "prompt_tokens": num_prompt_tokens,
        "completion_tokens": num_completion_tokens,
        "total_tokens": num_prompt_tokens + num_completion_tokens,
    }


def event(data: Any) -> bytes:
    """One server-sent event."""
    return b"data: " + orjson.dumps(data) + b"\n\n"


def _finish_fields(finish: Finish) -> dict[str, Any]:
    return {
        "finish_reason": finish.finish_reason,
        "stop_reason": finish.cause.stop_reason,
        "stop_detail": finish.stop_detail(),
    }


class Wire:
    """How one request's answer is written. Subclasses say what a choice looks like."""

    id_prefix: str
    object_name: str
    stream_object_name: str

    def __init__(
        self,
        request_id: str,
        model: str,
        created: int,
        *,
        include_usage: bool,
        logprobs: LogprobsWriter | None = None,
    ) -> None:
        self._logprobs = logprobs
        self._head = {"id": request_id, "created": created, "model": model}
        envelope = {
            "id": request_id,
            "object": self.stream_object_name,
            "created": created,
            "model": model,
        }
        self._before = b"data: " + orjson.dumps(envelope)[:-1] + b',"choices":['
        self._after = b'],"usage":null}\n\n' if include_usage else b"]}\n\n"

    def opening(self, num_choices: int) -> list[bytes]:  # noqa: ARG002  (chat has one event a choice)
        """Events before the first token."""
        return []

    def delta(self, delta: ChoiceDelta) -> bytes:
        """The event of one delta."""
        choice = (
            self._delta_choice(delta)
            if delta.finish is None
            else self._last_choice(delta, delta.finish)
        )
        return self._before + choice + self._after

    def usage(self, counts: dict[str, int]) -> bytes:
        """The last event of a stream that was asked for its usage; it has no choices."""
        return event(
            {**self._head, "object": self.stream_object_name, "choices": [], "usage": counts}
        )

    def whole(self, choices: Sequence[WholeChoice], counts: dict[str, int]) -> dict[str, Any]:
        """The body of an answer that was not streamed."""
        written = [
            {
                "index": index,
                **self._text_fields("".join(choice.pieces)),
                "logprobs": self._written_logprobs(choice.logprobs),
                **_finish_fields(choice.finish),
            }
            for index, choice in enumerate(choices)
            if choice.finish is not None
        ]
        return {**self._head, "object": self.object_name, "choices": written, "usage": counts}

    def _written_logprobs(self, logprobs: Sequence[TokenLogprobs]) -> dict[str, Any] | None:
        return None if self._logprobs is None else self._logprobs_object(self._logprobs, logprobs)

    def _logprobs_object(
        self, writer: LogprobsWriter, logprobs: Sequence[TokenLogprobs]
    ) -> dict[str, Any]:
        raise NotImplementedError

    def _delta_choice(self, delta: ChoiceDelta) -> bytes:
        raise NotImplementedError

    def _last_choice(self, delta: ChoiceDelta, finish: Finish) -> bytes:
        raise NotImplementedError

    def _text_fields(self, text: str) -> dict[str, Any]:
        raise NotImplementedError


class ChatWire(Wire):
    """`chat.completion` and its chunks."""

    id_prefix = "chatcmpl-"
    object_name = "chat.completion"
    stream_object_name = "chat.completion.chunk"

    def opening(self, num_choices: int) -> list[bytes]:
        first = {
            "delta": {"role": "assistant", "content": ""},
            "logprobs": None,
            "finish_reason": None,
        }
        return [
            self._before + orjson.dumps({"index": index, **first}) + self._after
            for index in range(num_choices)
        ]

    def _delta_choice(self, delta: ChoiceDelta) -> bytes:
        return b'{"index":%d,"delta":{"content":%b},"logprobs":%b,"finish_reason":null}' % (
            delta.index,
            orjson.dumps(delta.text),
            orjson.dumps(self._written_logprobs(delta.logprobs)),
        )

    def _logprobs_object(
        self, writer: LogprobsWriter, logprobs: Sequence[TokenLogprobs]
    ) -> dict[str, Any]:
        return {"content": writer.chat(logprobs), "refusal": None}

    def _last_choice(self, delta: ChoiceDelta, finish: Finish) -> bytes:
        content = {"content": delta.text} if delta.text else {}
        logprobs = self._written_logprobs(delta.logprobs)
        head = {"index": delta.index, "delta": content, "logprobs": logprobs}
        return orjson.dumps({**head, **_finish_fields(finish)})

    def _text_fields(self, text: str) -> dict[str, Any]:
        return {"message": {"role": "assistant", "content": text, "refusal": None}}


class CompletionWire(Wire):
    """`text_completion`, whole and in chunks."""

    id_prefix = "cmpl-"
    object_name = "text_completion"
    stream_object_name = "text_completion"

    def _delta_choice(self, delta: ChoiceDelta) -> bytes:
        return b'{"index":%d,"text":%b,"logprobs":%b,"finish_reason":null}' % (
            delta.index,
            orjson.dumps(delta.text),
            orjson.dumps(self._written_logprobs(delta.logprobs)),
        )

    def _logprobs_object(
        self, writer: LogprobsWriter, logprobs: Sequence[TokenLogprobs]
    ) -> dict[str, Any]:
        return writer.completion(logprobs)

    def _last_choice(self, delta: ChoiceDelta, finish: Finish) -> bytes:
        logprobs = self._written_logprobs(delta.logprobs)
        head = {"index": delta.index, "text": delta.text, "logprobs": logprobs}
        return orjson.dumps({**head, **_finish_fields(finish)})

    def _text_fields(self, text: str) -> dict[str, Any]:
        return {"text": text}
