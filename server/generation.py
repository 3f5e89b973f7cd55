"""Engine stream -> text deltas and one Finish a choice.

Guards decide where to stop, never what to say: the text is always an exact prefix of what the engine said. Leaving the
stream early, for whatever reason, aborts the engine request.
"""

from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace

from .detokenizer import Detokenizer
from .engine import Engine, EngineDelta, EngineRequest, StepLogprobs
from .errors import EngineDeadError, MissingLogprobs, Unavailable
from .finish import Finish, StopCause
from .metrics import RequestRecord
from .sampling import GenerationPlan
from .stopping import StopMatch, StopMatcher
from .tokenizer import ChatTokenizer


@dataclass(frozen=True, slots=True)
class TokenLogprobs:
    """A token of the answer and the log-probabilities of its step."""

    token_id: int
    step: StepLogprobs


@dataclass(frozen=True, slots=True)
class ChoiceDelta:
    """New text of one choice; `finish` is set on its last delta. `num_tokens` is the choice's count so far.

    `logprobs` are those of the tokens whose text begins in what was shown, where the client asked for them.
    """

    index: int
    text: str
    num_tokens: int
    finish: Finish | None = None
    logprobs: tuple[TokenLogprobs, ...] = ()


class Choice:
    """One choice in the making: counts, decodes, looks for its end."""

    def __init__(self, plan: GenerationPlan, tokenizer: ChatTokenizer, index: int) -> None:
        self._plan = plan
        self.index = index
        self._detokenizer = Detokenizer(
            tokenizer.tokenizer, skip_special_tokens=plan.skip_special_tokens
        )
        self._matcher = StopMatcher(plan.stop_texts) if plan.stop_texts else None
        # Where in the text each token begins that a stop could still take back.
        self._token_starts: deque[int] = deque()
        self._num_decoded = 0
        self._logprobs: deque[tuple[int, TokenLogprobs]] = deque()
        self.num_tokens = 0
        self.finish: Finish | None = None

    def feed(self, delta: EngineDelta) -> tuple[str, Finish | None]:
        """The text `delta` adds, and the Finish at the end. Tokens after the end are counted as trimmed."""
        pieces = []
        for position, token_id in enumerate(delta.token_ids):
            self.num_tokens += 1
            num_unread = len(delta.token_ids) - position - 1
            if (cause := self._plan.stop_ids.get(token_id)) and self._past_min_tokens():
                pieces.append(self.flush())
                self._finish(cause, num_unread=num_unread)
                break
            if (probability := self._verdict(delta, position)) is not None:
                # This token would go on after the answer's end: it is not shown.
                pieces.append(self.flush())
                cause = StopCause(kind="calibrated", probability=probability)
                self._finish(cause, num_unread=num_unread, num_taken_back=1)
                break
            self._keep_logprobs(token_id, delta, position)
            pieces.append(self._feed_text(self._detokenizer.feed(token_id)))
            if self._matcher is not None and self._matcher.match is not None:
                self._finish_at(self._matcher.match, num_unread)
                break
        else:
            if delta.finish_reason is not None:
                pieces.append(self.flush())
                self._finish_by_engine(delta)
        return "".join(pieces), self.finish

    def flush(self) -> str:
        """The text held back as a possible stop."""
        return "" if self._matcher is None else self._matcher.flush()

    def take_logprobs(self) -> tuple[TokenLogprobs, ...]:
        """Log-probabilities of the tokens that were shown since the last call; a token that a stop took back has none."""
        whole = self.finish is not None and (self._matcher is None or self._matcher.match is None)
        num_shown = 0 if self._matcher is None else self._matcher.num_returned
        taken = []
        while self._logprobs and (whole or self._logprobs[0][0] < num_shown):
            taken.append(self._logprobs.popleft()[1])
        return tuple(taken)

    def abort(self) -> Finish:
        """End the choice from outside."""
        return self._finish(StopCause(kind="abort"))

    def _verdict(self, delta: EngineDelta, position: int) -> float | None:
        """The stop head's probability that the answer ended before this token, where it is sure enough; else None."""
        head = self._plan.stop_head
        if head is None:
            return None
        if position >= len(delta.logprobs):
            raise MissingLogprobs("the engine sent a token without its log-probabilities")
        if self.num_tokens <= max(1, self._plan.sampling.min_tokens):
            return None
        probability = head.probability(delta.logprobs[position].top)
        return probability if probability > head.threshold else None

    def _keep_logprobs(self, token_id: int, delta: EngineDelta, position: int) -> None:
        if self._plan.num_top_logprobs is None:
            return
        if position >= len(delta.logprobs):
            raise MissingLogprobs("the engine sent a token without its log-probabilities")
        kept = TokenLogprobs(token_id, delta.logprobs[position])
        # Where its text begins, of the text that is watched for stops; what is not watched is shown at once.
        watched = self._matcher is not None and self._past_min_tokens()
        self._logprobs.append((self._num_decoded if watched else -1, kept))

    def _past_min_tokens(self) -> bool:
        return self.num_tokens > self._plan.sampling.min_tokens

    def _feed_text(self, text: str) -> str:
        if self._matcher is None or not self._past_min_tokens():
            return text
        self._token_starts.append(self._num_decoded)
        self._num_decoded += len(text)
        shown = self._matcher.feed(text)
        if self._matcher.match is None:
            while self._token_starts and self._token_starts[0] < self._matcher.num_returned:
                self._token_starts.popleft()
        return shown

    def _finish_at(self, match: StopMatch, num_unread: int) -> None:
        taken_back = sum(1 for start in self._token_starts if start >= match.start)
        cause = StopCause(kind=match.stop.kind, text=match.stop.text)
        self._finish(cause, num_unread=num_unread, num_taken_back=taken_back)

    def _finish_by_engine(self, delta: EngineDelta) -> None:
        if delta.finish_reason == "length":
            self._finish(StopCause(kind="max_tokens"))
        elif delta.finish_reason == "repetition":
            self._finish(StopCause(kind="repetition"))
        else:
            self._finish(StopCause(kind="abort"))

    def _finish(self, cause: StopCause, *, num_unread: int = 0, num_taken_back: int = 0) -> Finish:
        # Tokens of a merged delta beyond the end were generated too.
        self.num_tokens += num_unread
        self.finish = Finish(
            index=self.index,
            cause=cause,
            limit=self._plan.limit,
            num_tokens=self.num_tokens,
            num_trimmed_tokens=num_unread + num_taken_back,
        )
        return self.finish


async def generate(
    engine: Engine,
    request: EngineRequest,
    plan: GenerationPlan,
    tokenizer: ChatTokenizer,
    record: RequestRecord,
) -> AsyncGenerator[ChoiceDelta, None]:
    """Stream every choice of one request to its end; `record` gets each choice's Finish.

    Raises:
        EngineDeadError: the engine died.
        Unavailable: the engine gave the request up, as it does when the server stops.
    """
    choices = [Choice(plan, tokenizer, index) for index in range(plan.sampling.n)]
    num_open = len(choices)
    try:
        async with aclosing(engine.generate(request)) as deltas:
            async for delta in deltas:
                choice = choices[delta.index]
                if choice.finish is not None:
                    continue
                text, finish = choice.feed(delta)
                record.note_first_token()
                if finish is not None:
                    _raise_if_aborted(finish)
                    num_open -= 1
                    record.finishes += _copies(finish, plan.copies)
                logprobs = choice.take_logprobs() if plan.num_top_logprobs is not None else ()
                if text or logprobs or finish is not None:
                    for made in _deltas(choice, text, plan.copies, logprobs):
                        yield made
                if num_open == 0:
                    return
        raise EngineDeadError("the engine ended a stream without a finish")
    except MissingLogprobs:
        record.lacked_logprobs = True
        raise
    finally:
        for choice in choices:
            if choice.finish is None or choice.finish.cause.kind == "abort":
                record.finishes += _copies(choice.abort(), plan.copies)


def _raise_if_aborted(finish: Finish) -> None:
    if finish.cause.kind == "abort":
        raise Unavailable(
            "the server is shutting down and could not finish this answer", code="aborted"
        )


def _copies(finish: Finish, copies: int) -> list[Finish]:
    return [replace(finish, index=finish.index + copy) for copy in range(copies)]


def _deltas(
    choice: Choice, text: str, copies: int, logprobs: tuple[TokenLogprobs, ...]
) -> list[ChoiceDelta]:
    finishes = [None] * copies if choice.finish is None else _copies(choice.finish, copies)
    return [
        ChoiceDelta(choice.index + copy, text, choice.num_tokens, finish, logprobs)
        for copy, finish in enumerate(finishes)
    ]
