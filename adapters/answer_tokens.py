"""Answers as the model sees them: the prompt's token ids as served, and the answer's own.

Rendered by the profile's template, so that what is fitted on them fits what is served. Knows no model.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .conversations import Conversation, Message
from .rendering import TemplateProcess, TemplateRefusal
from .tokenizer_files import TokenizerFiles


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizedAnswer:
    """One answer and its prompt, as token ids. `line` is the conversation's, which a split must keep together."""

    line: int
    prompt_ids: tuple[int, ...]
    token_ids: tuple[int, ...]

    @property
    def num_tokens(self) -> int:
        return len(self.prompt_ids) + len(self.token_ids)


@dataclass(frozen=True, slots=True)
class SkippedAnswer:
    """An answer that cannot be used, and why."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizedAnswers:
    """The answers that can be used, and those that cannot."""

    answers: tuple[TokenizedAnswer, ...]
    skipped: tuple[SkippedAnswer, ...]


def tokenize_answers(
    conversations: Sequence[Conversation],
    template: str,
    tokenizer: TokenizerFiles,
    *,
    max_tokens: int,
) -> TokenizedAnswers:
    """Every answer of every conversation, after the turns before it.

    Args:
        template: Jinja text of the profile's template.
        max_tokens: answers that end later than this, prompt included, are left out: their end would not be seen.
    """
    answers: list[TokenizedAnswer] = []
    skipped: list[SkippedAnswer] = []
    with TemplateProcess() as process:
        renderer = _Renderer(template, tokenizer, process)
        for conversation in conversations:
            for position in conversation.answer_positions:
                found = renderer.tokenize(conversation, position, max_tokens)
                if isinstance(found, TokenizedAnswer):
                    answers.append(found)
                else:
                    skipped.append(found)
    return TokenizedAnswers(answers=tuple(answers), skipped=tuple(skipped))


class _Renderer:
    """One template with one tokenizer."""

    def __init__(self, template: str, tokenizer: TokenizerFiles, process: TemplateProcess) -> None:
        self._template, self._tokenizer, self._process = template, tokenizer, process
        self._names = {
            name: token
            for name, token in {
                "bos_token": tokenizer.bos_token,
                "eos_token": tokenizer.eos_token,
                "pad_token": tokenizer.pad_token,
            }.items()
            if token is not None
        }

    def tokenize(
        self, conversation: Conversation, position: int, max_tokens: int
    ) -> TokenizedAnswer | SkippedAnswer:
        before, answer = conversation.messages[:position], conversation.messages[position]
        try:
            prompt = self._render(before, add_generation_prompt=True)
            whole = self._render((*before, answer), add_generation_prompt=False)
        except TemplateRefusal as exc:
            return SkippedAnswer(conversation.line, f"the template refuses it: {exc}")
        text = _as_rendered(prompt, whole, answer.content)
        if text is None:
            return SkippedAnswer(conversation.line, "the template writes another answer than given")
        prompt_ids = self._tokenizer.encode(prompt)
        token_ids = self._tokenizer.encode(prompt + text)
        if token_ids[: len(prompt_ids)] == prompt_ids:
            token_ids = token_ids[len(prompt_ids) :]
        else:  # a token that spans both: served, the prompt's tokens end with the prompt
            token_ids = self._tokenizer.encode(text)
        found = TokenizedAnswer(
            line=conversation.line, prompt_ids=tuple(prompt_ids), token_ids=tuple(token_ids)
        )
        if found.num_tokens > max_tokens:
            return SkippedAnswer(conversation.line, f"{found.num_tokens} tokens, over {max_tokens}")
        return found

    def _render(self, messages: Sequence[Message], *, add_generation_prompt: bool) -> str:
        options: dict[str, Any] = {**self._names, "add_generation_prompt": add_generation_prompt}
        plain = [{"role": message.role, "content": message.content} for message in messages]
        return self._process.render(self._template, plain, options)


def _as_rendered(prompt: str, whole: str, content: str) -> str | None:
    """The answer as the template writes it after the prompt, with the white space it puts before; None where it is not there.

    A template may open an answer otherwise in a prompt than in a finished conversation (thinking): then it is `content`.
    """
    for written in (content, content.strip()):
        start = whole.rfind(written)
        if start < 0:
            continue
        if whole.startswith(prompt) and not whole[len(prompt) : start].strip():
            return whole[len(prompt) : start] + written
        return written
    return None
