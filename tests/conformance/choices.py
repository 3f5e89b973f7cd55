"""What checks read of chat and text completions: the choices of whole answers and of streams, in one shape."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .exchange import Reply
from .feature import expect


@dataclass(slots=True)
class Choice:
    """One answer: its text, and how it ended."""

    text: str = ""
    finish_reason: str | None = None
    stop_reason: Any = None
    logprobs: Any = None


def whole(reply: Reply) -> list[Choice]:
    """The choices of an answer that was not streamed, by index."""
    return [
        Choice(
            _text(choice), choice["finish_reason"], choice.get("stop_reason"), choice["logprobs"]
        )
        for choice in sorted(reply.body["choices"], key=lambda choice: choice["index"])
    ]


def _text(choice: dict[str, Any]) -> str:
    return choice["text"] if "text" in choice else choice["message"]["content"] or ""


def streamed(reply: Reply) -> list[Choice]:
    """The choices of a stream, put together, by index; `logprobs` is a list of those of each chunk."""
    made: dict[int, Choice] = {}
    for event in reply.events:
        expect("error" not in event, "an error in the stream")
        for chunk in event["choices"]:
            choice = made.setdefault(chunk["index"], Choice(logprobs=[]))
            choice.text += chunk["text"] if "text" in chunk else chunk["delta"].get("content") or ""
            choice.finish_reason = chunk.get("finish_reason") or choice.finish_reason
            choice.stop_reason = chunk.get("stop_reason") or choice.stop_reason
            if chunk.get("logprobs"):
                choice.logprobs.append(chunk["logprobs"])
    expect(reply.is_done, "no [DONE]")
    return [made[index] for index in sorted(made)]


def texts(replies: Sequence[Reply]) -> list[str]:
    """The text of the first choice of each answer."""
    return [whole(reply)[0].text for reply in replies]


def num_tokens(reply: Reply) -> int:
    """How many tokens the usage of a whole answer counts."""
    counted: int = reply.body["usage"]["completion_tokens"]
    return counted


def num_prompt_tokens(reply: Reply) -> int:
    """How many tokens of the prompt it counts."""
    counted: int = reply.body["usage"]["prompt_tokens"]
    return counted
