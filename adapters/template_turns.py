"""What a chat template shows about turns when it is rendered: which token ends an answer, what opens the next turn.

For templates that no table describes. Rendering is untrusted work and happens in a TemplateProcess.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .rendering import TemplateProcess, TemplateRefusal, TemplateTooCostly
from .tokenizer_files import TokenizerFiles

QUESTION, ANSWER, NEXT_QUESTION = "alphaquestion", "betaanswer", "gammaquestion"
MIN_MARKER_CHARS = 3
# The longest system prompts in templates, tools described, have 10,000.
MAX_CHARS = 100_000
_USER = {"role": "user", "content": QUESTION}
_ASSISTANT = {"role": "assistant", "content": ANSWER}
_NEXT = {"role": "user", "content": NEXT_QUESTION}
_CALL = {"type": "function", "function": {"name": "lookup", "arguments": {"key": "value"}}}
# What an answer may hold besides text; a template that knows neither renders the content alone.
_RICH_ANSWERS = (
    {"role": "assistant", "content": ANSWER, "reasoning_content": "thoughts"},
    {"role": "assistant", "content": "", "tool_calls": [_CALL]},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """Token texts. `trained_end` is empty where nothing ends the last answer; `inside` holds what may stand in one."""

    trained_end: tuple[str, ...]
    turn_start: tuple[str, ...]
    role_markers: tuple[str, ...]
    ends_every_turn: bool
    inside: frozenset[str]


def read_turns(source: str, tokenizer: TokenizerFiles, process: TemplateProcess) -> Turns:
    """Render short conversations and look at what stands around the answer.

    The rule for the end token (the first added token after the answer, white space skipped) is that of TRL's check
    `is_chat_template_stop_token_trained`.

    Raises:
        TemplateRefusal: the template does not render a user turn and an answer.
    """
    reader = _Reader(source, tokenizer, process)
    after = reader.render(_USER, _ASSISTANT).partition(ANSWER)[2]
    end = reader.first_end(after)
    try:
        gap = _between(reader.render(_USER, _ASSISTANT, _NEXT), ANSWER, NEXT_QUESTION)
    except TemplateTooCostly:
        raise
    except TemplateRefusal:
        gap = ""  # a template for one question only
    opening = gap.partition(end)[2] if end and end in gap else gap
    turn_start = tuple(reader.added_tokens(opening)[:1])
    return Turns(
        trained_end=(end,) if end else (),
        turn_start=turn_start,
        role_markers=() if turn_start else _markers(opening),
        ends_every_turn=not gap or not end or end in gap,
        inside=reader.inside(end),
    )


class _Reader:
    """One template with one tokenizer."""

    def __init__(self, source: str, tokenizer: TokenizerFiles, process: TemplateProcess) -> None:
        self._source, self._tokenizer, self._process = source, tokenizer, process
        self._names = {
            name: text
            for name, text in {
                "bos_token": tokenizer.bos_token,
                "eos_token": tokenizer.eos_token,
                "pad_token": tokenizer.pad_token,
            }.items()
            if text is not None
        }

    def render(self, *messages: Mapping[str, Any], add_generation_prompt: bool = False) -> str:
        options = {**self._names, "add_generation_prompt": add_generation_prompt}
        text = self._process.render(self._source, messages, options)
        if len(text) > MAX_CHARS:
            raise TemplateTooCostly(f"it makes {len(text):,} characters of a short conversation")
        return text

    def added_tokens(self, text: str) -> list[str]:
        """The added tokens in `text`, in order. Gemma's for white space are words like any other."""
        ids = self._tokenizer.encode(text)
        tokens = [self._tokenizer.token(i) or "" for i in ids if i in self._tokenizer.added_ids]
        return [token for token in tokens if token.strip(" \n\t\u2581")]

    def first_end(self, after: str) -> str | None:
        added = self.added_tokens(after)
        if added and after.lstrip().startswith(added[0].strip()):
            return added[0]
        return None

    def inside(self, end: str | None) -> frozenset[str]:
        """Added tokens that stand within an answer: thinking, tool calls."""
        found: set[str] = set()
        try:
            start = self.render(_USER, add_generation_prompt=True)
        except TemplateTooCostly:
            raise
        except TemplateRefusal:
            return frozenset()
        for answer in (_ASSISTANT, *_RICH_ANSWERS):
            try:
                text = self.render(_USER, answer)
            except TemplateTooCostly:
                raise
            except TemplateRefusal:
                continue
            if text.startswith(start):
                body = text[len(start) :]
                last = body.rfind(end) if end else -1
                found.update(self.added_tokens(body[:last] if last >= 0 else body))
        return frozenset(found - {end})


def _between(text: str, before: str, after: str) -> str:
    return text.partition(before)[2].partition(after)[0]


def _markers(opening: str) -> tuple[str, ...]:
    """The text that opens the next turn of a plain-text template, at the start of a line or as it stands."""
    text = opening.strip()
    if len(text) < MIN_MARKER_CHARS:
        return ()
    if text.isalnum():
        # A word like any other: only a line of its own can be told from text.
        return (opening,) if opening.startswith("\n") and opening.endswith("\n") else ()
    as_written = opening.rstrip()
    return tuple(dict.fromkeys([as_written, f"\n{text}"]))
