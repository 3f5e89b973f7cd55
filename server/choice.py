"""One choice in the making: token ids in, text and a Finish out. Every guard of one answer meets here.

Pure: no engine, no clock, no HTTP. `generation` feeds it, verification replays recorded streams through it.
"""

from collections import deque
from dataclasses import dataclass, replace

from .detokenizer import Detokenizer
from .engine import EngineDelta, PromptFacts, StepLogprobs
from .errors import MissingLogprobs
from .finish import Finish, StopCause, StopKind
from .parsing.port import ParsedDelta
from .parsing.token_reader import TokenReader
from .sampling import GenerationPlan
from .stopping import HeadWatch, LoopGuard, StopMatch, StopMatcher
from .tokenizer import ChatTokenizer


@dataclass(frozen=True, slots=True)
class TokenLogprobs:
    """A token of the answer, the log-probabilities of its step, and where in the answer's text it begins, in characters."""

    token_id: int
    step: StepLogprobs
    offset: int = 0


class Choice:
    """One choice in the making: counts, decodes, looks for its end."""

    def __init__(self, plan: GenerationPlan, tokenizer: ChatTokenizer, index: int) -> None:
        self._plan = plan
        self.index = index
        self._detokenizer = Detokenizer(
            tokenizer.tokenizer, skip_special_tokens=plan.skip_special_tokens
        )
        self._matcher = StopMatcher(plan.stop_texts) if plan.stop_texts else None
        self._loop_guard = None if plan.near_loops is None else LoopGuard(plan.near_loops)
        self._head_watch = None if plan.stop_head is None else HeadWatch(plan.stop_head)
        # Where in the text each token begins that a stop could still take back.
        self._token_starts: deque[int] = deque()
        self._num_decoded = 0
        self._logprobs: deque[tuple[int, TokenLogprobs]] = deque()
        self._reader = (
            None
            if plan.parsing is None
            else TokenReader(plan.parsing.parser(in_pieces=plan.in_pieces))
        )
        self._num_chars = 0
        # What the engine found out about the prompt.
        self.prompt: PromptFacts | None = None
        self.num_tokens = 0
        self.finish: Finish | None = None

    def feed(
        self, delta: EngineDelta, *, abort_kind: StopKind = "abort"
    ) -> tuple[str, Finish | None]:
        """The text `delta` adds, and the Finish at the end. Tokens after the end are counted as trimmed.

        Args:
            abort_kind: what it means if the engine gave this choice up.
        """
        if self.num_tokens == 0 and delta.token_ids and self._is_prompt_alone(delta.prompt):
            return "", self._finish(StopCause(kind="max_tokens"))
        pieces = []
        for position, token_id in enumerate(delta.token_ids):
            self.num_tokens += 1
            num_unread = len(delta.token_ids) - position - 1
            if (cause := self._plan.stop_ids.get(token_id)) and self._past_min_tokens():
                pieces += [self.flush(), self._shown_stop(token_id, delta, position)]
                self._finish(cause, num_unread=num_unread)
                break
            if (probability := self._verdict(token_id, delta, position)) is not None:
                # This token would go on after the answer's end: it is not shown.
                pieces.append(self.flush())
                cause = StopCause(kind="calibrated", probability=probability)
                self._finish(cause, num_unread=num_unread, num_taken_back=1)
                break
            self._keep_logprobs(token_id, delta, position)
            text = self._detokenizer.feed(token_id)
            self._num_chars += len(text)
            shown = self._feed_text(token_id, text)
            pieces.append(shown)
            if self._reader is not None:
                self._reader.note(token_id, text)
                self._reader.feed(shown)
            if self._matcher is not None and self._matcher.match is not None:
                self._finish_at(self._matcher.match, num_unread)
                break
            if self._closes_a_loop(text):
                pieces.append(self.flush())
                self._finish(StopCause(kind="repetition"), num_unread=num_unread)
                break
        else:
            if delta.finish_reason is not None:
                pieces.append(self.flush())
                self._finish_by_engine(delta, abort_kind)
        if self._reader is not None and self.finish is not None:
            self._finish_reading(self._reader, self.finish)
        return "".join(pieces), self.finish

    def flush(self) -> str:
        """The text held back as a possible stop."""
        held = "" if self._matcher is None else self._matcher.flush()
        if self._reader is not None:
            self._reader.feed(held)
        return held

    def take_parsed(self) -> ParsedDelta | None:
        """What the text since the last call turned out to be; None where nothing reads it."""
        return None if self._reader is None else self._reader.take()

    def take_logprobs(self) -> tuple[TokenLogprobs, ...]:
        """Log-probabilities of the tokens that were shown since the last call.

        A token that a stop took back has none, unless those of the end are asked for.
        """
        takes_back = self._matcher is not None and self._matcher.match is not None
        whole = self.finish is not None and (self._plan.lists_the_end or not takes_back)
        num_shown = 0 if self._matcher is None else self._matcher.num_returned
        taken = []
        while self._logprobs and (whole or self._logprobs[0][0] < num_shown):
            taken.append(self._logprobs.popleft()[1])
        return tuple(taken)

    def abort(self) -> Finish:
        """End the choice from outside."""
        return self._finish(StopCause(kind="abort"))

    def _is_prompt_alone(self, facts: PromptFacts | None) -> bool:
        """Take what comes with the first token; whether no more than that was asked for."""
        asked = self._plan.sampling.num_prompt_logprobs is not None
        if asked and (facts is None or not facts.logprobs):
            raise MissingLogprobs("the engine sent no log-probabilities of the prompt")
        self.prompt = facts
        return self._plan.limit.value == 0

    def _verdict(self, token_id: int, delta: EngineDelta, position: int) -> float | None:
        """The stop head's probability that the answer ended before this token, where it is sure enough; else None."""
        if self._plan.stop_head is None or self._head_watch is None or self._is_reasoning():
            return None
        if position >= len(delta.logprobs):
            raise MissingLogprobs("the engine sent a token without its log-probabilities")
        probability = self._head_watch.feed(token_id, delta.logprobs[position])
        if self.num_tokens <= max(1, self._plan.sampling.min_tokens):
            return None
        return probability if probability > self._plan.stop_head.threshold else None

    def _keep_logprobs(self, token_id: int, delta: EngineDelta, position: int) -> None:
        if self._plan.num_top_logprobs is None:
            return
        if position >= len(delta.logprobs):
            raise MissingLogprobs("the engine sent a token without its log-probabilities")
        kept = TokenLogprobs(token_id, delta.logprobs[position], self._num_chars)
        # Where its text begins, of the text that is watched for stops; what is not watched is shown at once.
        watched = self._matcher is not None and self._is_watched()
        self._logprobs.append((self._num_decoded if watched else -1, kept))

    def _past_min_tokens(self) -> bool:
        return self.num_tokens > self._plan.sampling.min_tokens

    def _is_reasoning(self) -> bool:
        return self._reader is not None and self._reader.is_reasoning

    def _is_watched(self) -> bool:
        """Whether text may end the answer here."""
        if self.num_tokens <= self._plan.sampling.min_tokens:
            return False
        return (
            self._reader is None or self._plan.stops_in_reasoning or not self._reader.is_reasoning
        )

    def _shown_stop(self, token_id: int, delta: EngineDelta, position: int) -> str:
        """The text of the token that ended the answer, where it is to be shown."""
        if self._plan.shows_stop or self._plan.lists_the_end:
            self._keep_logprobs(token_id, delta, position)
        if not self._plan.shows_stop:
            return ""
        text = self._detokenizer.feed(token_id)
        if self._reader is not None:
            self._reader.note(token_id, text)
            self._reader.feed(text)
        return text

    def _finish_reading(self, reader: TokenReader, finish: Finish) -> None:
        """Read what is left; an answer that ended by itself and called tools has ended with its calls."""
        reader.flush()
        plan, cause = self._plan.parsing, finish.cause
        has_calls = plan is not None and reader.has_called_tools and plan.finishes_with_calls
        if has_calls and finish.finish_reason == "stop":
            cause = cause.with_calls()
        thought = reader.num_reasoning_tokens
        self.finish = replace(finish, cause=cause, num_reasoning_tokens=thought)

    def _closes_a_loop(self, text: str) -> bool:
        if self._loop_guard is None or not self._past_min_tokens():
            return False
        return self._loop_guard.feed(text) is not None

    def _feed_text(self, token_id: int, text: str) -> str:
        if self._matcher is None or not self._is_watched():
            return text
        self._token_starts.append(self._num_decoded)
        self._num_decoded += len(text)
        shown = self._matcher.feed(text + self._plan.stop_marks.get(token_id, ""))
        if self._matcher.match is None:
            while self._token_starts and self._token_starts[0] < self._matcher.num_returned:
                self._token_starts.popleft()
        return shown

    def _finish_at(self, match: StopMatch, num_unread: int) -> None:
        taken_back = sum(1 for start in self._token_starts if start >= match.shown_end)
        cause = StopCause(kind=match.stop.kind, text=match.stop.name or match.stop.text)
        self._finish(cause, num_unread=num_unread, num_taken_back=taken_back)

    def _finish_by_engine(self, delta: EngineDelta, abort_kind: StopKind) -> None:
        if delta.finish_reason == "length":
            self._finish(StopCause(kind="max_tokens"))
        elif delta.finish_reason == "repetition":
            self._finish(StopCause(kind="repetition"))
        else:
            self._finish(StopCause(kind=abort_kind))

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
