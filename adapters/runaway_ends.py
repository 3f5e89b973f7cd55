"""Where an answer that ran on should have ended: where it opened another turn, asked itself a question, or fell into a loop.

For whole generations without guards. Pure: knows neither the model nor the engine.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .answer_logprobs import AnswerLogprobs
from .answer_tokens import TokenizedAnswer
from .loop_onset import MIN_SIMILARITY, in_code, loop_onset, similarity, words

EndKind = Literal["end_of_turn", "role_marker", "question", "loop"]
END_KINDS: tuple[EndKind, ...] = ("end_of_turn", "role_marker", "question", "loop")
# A question like the one that was asked: of so many words, and alike, or with so many first words the same.
MIN_QUESTION_WORDS = 4
NUM_FIRST_WORDS = 2
MAX_QUESTION_WORDS = 60
MAX_HEADER_CHARS = 60
# How text that base models have read opens a turn, whatever the template.
_OPENING = re.compile(
    r"(?:#{1,4} ?|\*\*)?(?:Human|User|USER|Instruction)s?(?:\*\*)?:"
    r"|<\|im_start\|>|<\|user\|>|<start_of_turn>|\[INST\]"
)
_LINE = re.compile(r"[^\n]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """What a model said when nothing of ours ended it, and what the engine listed at each step.

    `pieces`: the text each token adds. `ids`, `logprobs`: [tokens, NUM_LISTED], best first, in nats. `has_ended`: its last
    token is an end-of-turn id. `prompt`, `question`: the rendered prompt, and the content of its last user message.
    """

    line: int
    prompt: str
    question: str
    prompt_ids: tuple[int, ...]
    token_ids: tuple[int, ...]
    pieces: tuple[str, ...]
    ids: NDArray[np.int32]
    logprobs: NDArray[np.float32]
    has_ended: bool = False

    @property
    def text(self) -> str:
        """Without the end-of-turn token."""
        return "".join(self.pieces[:-1] if self.has_ended else self.pieces)

    def step_at(self, offset: int) -> int:
        """The step on which the first token was sampled that begins at `offset` characters or later."""
        starts = accumulate((len(piece) for piece in self.pieces), initial=0)
        return next(step for step, start in enumerate(starts) if start >= offset)

    def listed(self, step: int) -> dict[int, float]:
        """The most likely tokens of one step."""
        return dict(zip(self.ids[step].tolist(), self.logprobs[step].tolist(), strict=True))

    def answer(self, step: int) -> AnswerLogprobs:
        """The answer as if it had ended before the token of `step`, with the lists up to that step."""
        answer = TokenizedAnswer(
            line=self.line, prompt_ids=self.prompt_ids, token_ids=self.token_ids[:step]
        )
        return AnswerLogprobs(
            answer=answer, ids=self.ids[: step + 1], logprobs=self.logprobs[: step + 1]
        )


@dataclass(frozen=True, slots=True)
class RunawayEnd:
    """Where a generation should have ended: before the token of `step`."""

    kind: EndKind
    step: int


def find_end(
    generation: Generation, role_markers: Sequence[str], *, markers_in_code: bool
) -> RunawayEnd | None:
    """The first sign that the answer is over; None where there is none, or where nothing was said before it.

    White space before the sign is not part of the answer.
    """
    text = generation.text
    signs: list[tuple[int, EndKind]] = []
    if (at := marker_at(text, role_markers, in_code_too=markers_in_code)) is not None:
        signs.append((at, "role_marker"))
    if (at := _question(text, generation)) is not None:
        signs.append((at, "question"))
    before = text[: min((at for at, _ in signs), default=len(text))]
    is_cut = not signs and not generation.has_ended
    if (at := loop_onset(before, is_cut=is_cut)) is not None:
        signs.append((at, "loop"))
    if generation.has_ended:
        signs.append((len(text), "end_of_turn"))
    if not signs:
        return None
    at, kind = min(signs)
    said = len(text[:at].rstrip())
    if not said:
        return None
    step = generation.step_at(said)
    # The lists reach as far as the tokens do.
    return RunawayEnd(kind, step) if step < len(generation.token_ids) else None


def marker_at(text: str, markers: Sequence[str], *, in_code_too: bool) -> int | None:
    """Where the first role marker begins, outside fenced code blocks unless `in_code_too`."""
    places = (
        match.start()
        for marker in markers
        for match in re.finditer(re.escape(marker), text)
        if in_code_too or not in_code(text, match.start())
    )
    return min(places, default=None)


def _question(text: str, generation: Generation) -> int | None:
    """The first line that opens another turn as the prompt does, or asks what it asked again. No answer opens with one."""
    headers = tuple(_headers(generation.prompt, generation.question))
    asked = words(generation.question)
    is_first = True
    for match in _LINE.finditer(text):
        line = match.group().strip()
        if not line or in_code(text, match.start()):
            continue
        opens = line.startswith(headers) or _OPENING.match(line) is not None
        if opens or (not is_first and _asks_alike(line, asked)):
            return match.start()
        is_first = False
    return None


def _headers(prompt: str, question: str) -> Iterator[str]:
    """What stands between the messages of the prompt, right before the question and right after it."""
    at = prompt.rfind(question.strip())
    if at < 0:
        return
    before, after = prompt[:at].rstrip(), prompt[at + len(question.strip()) :].strip()
    for header in (before.rpartition("\n")[2].strip(), after.partition("\n")[0].strip()):
        if 2 <= len(header) <= MAX_HEADER_CHARS and any(char.isalpha() for char in header):
            yield header


def _asks_alike(line: str, asked: Sequence[str]) -> bool:
    """Whether a line is a question like the one that was asked."""
    said = words(line)
    if min(len(said), len(asked)) < MIN_QUESTION_WORDS or len(asked) > MAX_QUESTION_WORDS:
        return False
    begins_alike = said[:NUM_FIRST_WORDS] == tuple(asked[:NUM_FIRST_WORDS])
    if begins_alike and said[-1] in "?\uff1f" and asked[-1] in "?\uff1f":
        return True
    return similarity(said, asked) >= MIN_SIMILARITY
