"""OpenAI's answers on the wire: server-sent events and whole JSON bodies, and what of them is chat's.

What is the same in every event of a stream is encoded once; a token costs one encoding of its text.
"""

from collections.abc import Sequence
from typing import Any

import orjson

from ..choice import TokenLogprobs
from ..errors import RequestError
from ..finish import Finish
from ..generation import ChoiceDelta
from ..parsing.answer_parts import CallParts
from ..parsing.port import ParsedDelta, ToolCallDelta
from .logprobs import LogprobsWriter
from .wire import DONE, AnswerHead, WholeChoice, event


def finish_fields(finish: Finish) -> dict[str, Any]:
    """How a choice ended, as its last event or its whole form says it."""
    return {
        "finish_reason": finish.finish_reason,
        "stop_reason": finish.cause.stop_reason,
        "stop_detail": finish.stop_detail(),
    }


def _parsed_delta(parsed: ParsedDelta) -> dict[str, Any]:
    """OpenAI's delta; reasoning is called as vLLM calls it."""
    delta: dict[str, Any] = {}
    if parsed.content:
        delta["content"] = parsed.content
    if parsed.reasoning:
        delta["reasoning"] = parsed.reasoning
    if parsed.tool_calls:
        delta["tool_calls"] = [_tool_call_delta(call) for call in parsed.tool_calls]
    return delta


def _tool_call_delta(call: ToolCallDelta) -> dict[str, Any]:
    written: dict[str, Any] = {"index": call.index}
    if call.id is not None:
        written |= {"id": call.id, "type": "function"}
    named = {} if call.name is None else {"name": call.name}
    return {**written, "function": {**named, "arguments": call.arguments}}


def _tool_call(call: CallParts) -> dict[str, Any]:
    called = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": called}


class ChunkWire:
    """OpenAI's chunks and their whole body. Subclasses say what a choice looks like."""

    id_prefix: str
    object_name: str
    stream_object_name: str

    def __init__(self, head: AnswerHead) -> None:
        self._logprobs = head.logprobs
        self._counts = head.counts
        self._include_usage = head.include_usage
        self._continuous_usage = head.continuous_usage
        request_id = self.id_prefix + head.id
        self._head = {"id": request_id, "created": head.created, "model": head.model}
        envelope = {
            "id": request_id,
            "object": self.stream_object_name,
            "created": head.created,
            "model": head.model,
        }
        self._before = b"data: " + orjson.dumps(envelope)[:-1] + b',"choices":['
        self._after = b'],"usage":null}\n\n' if head.include_usage else b"]}\n\n"

    def opening(self) -> bytes:
        """Nothing; chat has one event a choice."""
        return b""

    def delta(self, delta: ChoiceDelta) -> bytes:
        """The event of one delta."""
        choice = (
            self._delta_choice(delta)
            if delta.finish is None
            else self._last_choice(delta, delta.finish)
        )
        return self._before + choice + self._after_choice()

    def _after_choice(self) -> bytes:
        if not self._continuous_usage:
            return self._after
        return b'],"usage":' + orjson.dumps(self._counts.usage()) + b"}\n\n"

    def closing(self) -> bytes:
        """An event with the usage and no choices, where it was asked for, and OpenAI's end of a stream."""
        if not self._include_usage:
            return DONE
        head = {**self._head, "object": self.stream_object_name}
        return event({**head, "choices": [], "usage": self._counts.usage()}) + DONE

    def error(self, exc: RequestError) -> bytes:
        """One last event in OpenAI's shape, and the end."""
        return event(exc.body()) + DONE

    def whole(self, choices: Sequence[WholeChoice]) -> dict[str, Any]:
        """The body of an answer that was not streamed."""
        written = [
            {
                "index": index,
                **self._whole_fields(index, choice),
                **finish_fields(choice.finish),
            }
            for index, choice in enumerate(choices)
            if choice.finish is not None
        ]
        head = {**self._head, "object": self.object_name}
        return {**head, "choices": written, "usage": self._counts.usage()}

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

    def _whole_fields(self, index: int, choice: WholeChoice) -> dict[str, Any]:
        """Text and log-probabilities of a choice that was not streamed."""
        raise NotImplementedError


class ChatWire(ChunkWire):
    """`chat.completion` and its chunks."""

    id_prefix = "chatcmpl-"
    object_name = "chat.completion"
    stream_object_name = "chat.completion.chunk"

    def __init__(self, head: AnswerHead) -> None:
        super().__init__(head)
        self._num_choices = head.plan.num_choices
        self._prompt = head.prompts[0]
        self._prompt_logprobs = head.prompt_logprobs

    def opening(self) -> bytes:
        first = {
            "delta": {"role": "assistant", "content": ""},
            "logprobs": None,
            "finish_reason": None,
        }
        return b"".join(
            self._before + orjson.dumps({"index": index, **first}) + self._after_choice()
            for index in range(self._num_choices)
        )

    def _delta_choice(self, delta: ChoiceDelta) -> bytes:
        if delta.parsed is not None:
            logprobs = self._written_logprobs(delta.logprobs)
            choice = {"delta": _parsed_delta(delta.parsed), "logprobs": logprobs}
            return orjson.dumps({"index": delta.index, **choice, "finish_reason": None})
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
        content: dict[str, Any] = {"content": delta.text} if delta.text else {}
        if delta.parsed is not None:
            content = _parsed_delta(delta.parsed)
        logprobs = self._written_logprobs(delta.logprobs)
        head = {"index": delta.index, "delta": content, "logprobs": logprobs}
        return orjson.dumps({**head, **finish_fields(finish)})

    def whole(self, choices: Sequence[WholeChoice]) -> dict[str, Any]:
        """The body of an answer that was not streamed; the prompt's log-probabilities stand beside the choices, as in vLLM."""
        body = super().whole(choices)
        if self._prompt_logprobs is not None:
            steps = choices[0].prompt_logprobs
            body["prompt_logprobs"] = self._prompt_logprobs.prompt(self._prompt, steps)
        return body

    def _whole_fields(self, _: int, choice: WholeChoice) -> dict[str, Any]:
        content: str | None = "".join(choice.pieces)
        message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": None}
        if choice.parts is not None:
            message["reasoning"] = choice.parts.reasoning or None
            if choice.parts.calls:
                message["content"] = content or None
                message["tool_calls"] = [_tool_call(call) for call in choice.parts.calls.values()]
        return {"message": message, "logprobs": self._written_logprobs(choice.logprobs)}
