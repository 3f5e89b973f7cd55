"""Request + profile -> everything that ends an answer but its token limit: ids, texts, stop head, loops. Pure.

A client's own stops always hold; ours give way to its `ignore_eos` and to the guards it switches off.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from adapters.chat_profile import Repetition
from adapters.stop_head import StopHead

from .engine import RepetitionDetection
from .errors import InvalidRequest
from .finish import StopCause
from .parsing.port import AnswerForm
from .schema.generation_request import GenerationRequest
from .schema.request_parts import GuardSwitches
from .served_model import ServedModel
from .stopping import LoopSettings, StopText
from .stopping.matcher import MARKS
from .tokenizer import ChatTokenizer

_ALL_OFF = GuardSwitches(end_of_turn=False, role_markers=False, stop_head=False, loops=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRules:
    """What ends a choice. `ids` says for each id what it means, `marks` which ids stand in `texts` as a mark.

    `cycles` is for the engine, `near_loops` for our own guard; None where it is off.
    """

    ids: Mapping[int, StopCause]
    texts: tuple[StopText, ...]
    marks: Mapping[int, str]
    head: StopHead | None
    cycles: RepetitionDetection | None
    near_loops: LoopSettings | None


def stop_rules(request: GenerationRequest, model: ServedModel, form: AnswerForm) -> StopRules:
    """The rules of one request. What looks at free text is off where the answer is none: JSON repeats, calls have no turns.

    Raises:
        InvalidRequest: a stop id is not in the vocabulary.
    """
    guards = _ALL_OFF if request.ignore_eos else request.endturn.switches
    if not form.is_free_text:
        guards = GuardSwitches(
            end_of_turn=guards.end_of_turn, role_markers=False, stop_head=False, loops=False
        )
    specials = _specials_in(request.stops, model.tokenizer)
    marks = _marks(specials) if form.skips_special_tokens else {}
    texts = _client_texts(request, specials, marks)
    if guards.role_markers:
        texts += _role_markers(request, model, {stop.text for stop in texts})
    repetition = model.repetition
    return StopRules(
        ids=_stop_ids(request, model, guards, form),
        texts=tuple(texts),
        marks=_marks_in_use(texts, marks),
        head=model.stop_head if guards.stop_head else None,
        cycles=_cycles(request, repetition, guards),
        near_loops=_near_loops(repetition) if guards.loops and repetition.near.enabled else None,
    )


def _stop_ids(
    request: GenerationRequest, model: ServedModel, guards: GuardSwitches, form: AnswerForm
) -> dict[int, StopCause]:
    causes: dict[int, StopCause] = {}
    for token_id in request.stop_token_ids or ():
        if token_id >= model.tokenizer.vocab_size:
            raise InvalidRequest(
                f"stop_token_ids: {token_id} is not in this model's vocabulary of {model.tokenizer.vocab_size}",
                param="stop_token_ids",
            )
        causes[token_id] = StopCause(kind="stop_token", token_id=token_id)
    for text in request.stops:
        if (special_id := model.tokenizer.special_ids.get(text)) is not None:
            causes[special_id] = StopCause(kind="stop_string", token_id=special_id, text=text)
    ids: tuple[int, ...] = ()
    if not request.ignore_eos:
        is_chat = request.conversation is not None
        ids = model.turn_ends(is_chat=is_chat) if guards.end_of_turn else model.base_stop_ids
    if form.structured is not None:
        # Where the constraint is met the engine allows the base's own ends too, and nothing holds what follows.
        ids = (*ids, *model.base_stop_ids)
    for token_id in ids:
        is_eos = token_id == model.tokenizer.eos_token_id
        causes[token_id] = StopCause(kind="eos" if is_eos else "stop_token", token_id=token_id)
    return causes


def _specials_in(stops: tuple[str, ...], tokenizer: ChatTokenizer) -> dict[str, int]:
    """The special tokens whose text is part of a stop, longest first."""
    found: dict[str, int] = {}
    for stop in stops:
        for token_id in tokenizer.encode(stop, add_special_tokens=False):
            text: str | None = tokenizer.tokenizer.id_to_token(token_id)
            if text is not None and text in stop and tokenizer.special_ids.get(text) == token_id:
                found[text] = token_id
    return dict(sorted(found.items(), key=lambda item: -len(item[0])))


def _marks(specials: Mapping[str, int]) -> dict[int, str]:
    # More marks than there are would take a request of special tokens alone; the rest stay text.
    return {token_id: chr(mark) for token_id, mark in zip(specials.values(), MARKS, strict=False)}


def _client_texts(
    request: GenerationRequest, specials: Mapping[str, int], marks: Mapping[int, str]
) -> list[StopText]:
    """The client's stop strings as they are, and those with special tokens as they come when these are not shown."""
    is_shown = bool(request.include_stop_str_in_output)
    written = {text: marks[token_id] for text, token_id in specials.items() if token_id in marks}
    texts = []
    for stop in request.stops:
        texts.append(StopText(stop, "stop_string", is_shown=is_shown))
        if written and stop not in specials:
            marked = re.sub("|".join(map(re.escape, written)), lambda m: written[m[0]], stop)
            if marked != stop:
                texts.append(StopText(marked, "stop_string", is_shown=is_shown, name=stop))
    return texts


def _marks_in_use(texts: list[StopText], marks: Mapping[int, str]) -> dict[int, str]:
    used = set().union(*(stop.text for stop in texts)) if marks else set()
    return {token_id: mark for token_id, mark in marks.items() if mark in used}


def _role_markers(
    request: GenerationRequest, model: ServedModel, clients: set[str]
) -> list[StopText]:
    """Text that opens the next turn. One that the conversation itself holds is spared, as in a fenced code block."""
    asked = request.conversation
    spares = model.spares_quoted_markers
    quoted = asked.others_said if asked is not None and spares else ()
    markers = [
        marker
        for marker in model.turn_markers(is_chat=asked is not None)
        if marker not in clients and not any(marker.strip() in text for text in quoted)
    ]
    texts = [StopText(marker, "role_marker", outside_code=spares) for marker in markers]
    if asked is not None and asked.opens_a_turn and not request.min_tokens:
        # The answer begins a line: there the line break before the marker is the prompt's.
        openings = dict.fromkeys(m.lstrip("\n") for m in markers if m.startswith("\n"))
        texts += [StopText(text, "role_marker", at_start=True) for text in openings]
    return texts


def _cycles(
    request: GenerationRequest, repetition: Repetition, guards: GuardSwitches
) -> RepetitionDetection | None:
    if (asked := request.repetition_detection) is not None:
        if asked.max_pattern_size == 0:
            return None
        return RepetitionDetection(
            max_pattern_size=asked.max_pattern_size,
            min_pattern_size=asked.min_pattern_size,
            min_count=asked.min_count,
        )
    exact = repetition.exact
    if not (guards.loops and exact.enabled):
        return None
    return RepetitionDetection(
        max_pattern_size=exact.max_pattern_size,
        min_pattern_size=exact.min_pattern_size,
        min_count=exact.min_count,
    )


def _near_loops(repetition: Repetition) -> LoopSettings:
    given = repetition.near.model_dump(exclude={"enabled"}, exclude_none=True)
    return replace(LoopSettings(), **given)
