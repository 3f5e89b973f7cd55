"""What one HTTP request came to: written where it happens, read by metrics, log and traces when the response is over."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from ..finish import Finish

RECORD_KEY = "endturn.record"
# Characters of a prompt, and of each answer, that a transcript keeps.
MAX_TRANSCRIPT_CHARS = 4_000
ObserveGap = Callable[[float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A part of a request's time, on the monotonic clock; `failed` where an error ended it."""

    name: Literal["render", "engine"]
    started_s: float
    ended_s: float
    failed: bool


@dataclass(slots=True)
class Transcript:
    """What was said, each text cut to MAX_TRANSCRIPT_CHARS. Only kept where the operator asks for it."""

    prompt: str = ""
    answers: dict[int, str] = field(default_factory=dict)

    def add(self, index: int, text: str) -> None:
        """Take more text of the choice `index`."""
        said = self.answers.get(index, "")
        self.answers[index] = said + text[: MAX_TRANSCRIPT_CHARS - len(said)]


@dataclass(slots=True)
class RequestRecord:
    """`adapter` stays None for requests that generate nothing; `model` is what the client asked for, `tenant`
    whose key it was sent with.

    `status` is None until a response begins; `error_code` is the `code` of OpenAI's error object, else its `type`.
    `trace_headers` carry the trace on to the engine. `gap_observer` makes, for an adapter, what takes the seconds
    between two tokens; `on_first_token` is told the index of each choice that gets its first one.
    """

    request_id: str = ""
    engine_id: str = ""
    adapter: str | None = None
    model: str | None = None
    tenant: str | None = None
    stream: bool | None = None
    started_s: float = field(default_factory=time.monotonic)
    first_token_s: float | None = None
    num_prompt_tokens: int | None = None
    stages: list[Stage] = field(default_factory=list)
    finishes: list[Finish] = field(default_factory=list)
    lacked_logprobs: bool = False
    status: int | None = None
    error_code: str | None = None
    client_gone: bool = False
    transcript: Transcript | None = None
    trace_id: str | None = None
    trace_headers: Mapping[str, str] | None = None
    gap_observer: Callable[[str], ObserveGap] | None = None
    on_first_token: Callable[[int], None] | None = None
    _observe_gap: ObserveGap | None = None
    _last_token_s: dict[int, float] = field(default_factory=dict)

    @property
    def stop_kinds(self) -> list[str]:
        """How each choice ended, in their order."""
        in_order = sorted(self.finishes, key=lambda finish: finish.index)
        return [finish.cause.kind for finish in in_order]

    @property
    def num_generated_tokens(self) -> int:
        return sum(finish.num_tokens for finish in self.finishes)

    @property
    def num_trimmed_tokens(self) -> int:
        return sum(finish.num_trimmed_tokens for finish in self.finishes)

    @contextmanager
    def stage(self, name: Literal["render", "engine"]) -> Iterator[None]:
        """Take the time of what is done inside, however it ends."""
        started_s, failed = time.monotonic(), False
        try:
            yield
        except Exception:
            failed = True
            raise
        finally:
            ended_s = time.monotonic()
            self.stages.append(
                Stage(name=name, started_s=started_s, ended_s=ended_s, failed=failed)
            )

    def note_tokens(self, index: int, num_tokens: int) -> None:
        """Take the time of `num_tokens` new tokens of the choice `index`: a gap counts once, shared out among them."""
        if num_tokens == 0:
            return
        now_s = time.monotonic()
        last_s = self._last_token_s.get(index)
        self._last_token_s[index] = now_s
        if self.first_token_s is None:
            self.first_token_s = now_s
        if last_s is None and self.on_first_token is not None:
            self.on_first_token(index)
        if last_s is None or self.gap_observer is None or self.adapter is None:
            return
        if self._observe_gap is None:
            self._observe_gap = self.gap_observer(self.adapter)
        self._observe_gap((now_s - last_s) / num_tokens)
