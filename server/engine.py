"""The port to an inference engine: what a request asks of it, what it answers, and nothing of vLLM or HTTP.

`vllm_engine` stands behind it in production, a scripted engine in unit tests.
"""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from adapters.base_files import BaseFiles

from .parsing.port import EngineReasoning
from .parsing.structured_output import StructuredOutput

EngineFinish = Literal["stop", "length", "abort", "repetition", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RepetitionDetection:
    """vLLM's: a pattern of `min_pattern_size` to `max_pattern_size` tokens, `min_count` times in a row, ends the answer."""

    max_pattern_size: int
    min_pattern_size: int
    min_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """Everything that decides which tokens come and when the engine stops by itself.

    `stop_token_ids` is the whole set: the engine's own idea of EOS is switched off (design: ids are ours).
    """

    max_tokens: int
    stop_token_ids: tuple[int, ...] = ()
    n: int = 1
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    seed: int | None = None
    min_tokens: int = 0
    # Raw log-probabilities to return with every token: the most likely ones, this many.
    num_logprobs: int | None = None
    # The same for the tokens of the prompt.
    num_prompt_logprobs: int | None = None
    repetition_detection: RepetitionDetection | None = None
    structured_output: StructuredOutput | None = None
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    allowed_token_ids: tuple[int, ...] | None = None
    bad_words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineAdapter:
    """LoRA weights as the engine knows them. `key` is the content hash: new weights, new key and path."""

    key: str
    path: Path
    rank: int
    num_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRequest:
    """One generation of `sampling.n` choices; with a seed, choice i is drawn with `seed + i`."""

    request_id: str
    prompt_token_ids: list[int]
    sampling: Sampling
    adapter: EngineAdapter | None = None
    # W3C trace context, where the request is traced.
    trace_headers: Mapping[str, str] | None = None
    # Lower ones first, where the engine schedules by priority.
    priority: int = 0
    # Prompts are found in the prefix cache only by requests with the same one.
    cache_salt: str | None = None
    # Where a constraint has to wait for the end of reasoning; None: it holds from the first token.
    reasoning: EngineReasoning | None = None


@dataclass(frozen=True, slots=True)
class StepLogprobs:
    """Log-probabilities of one step, before temperature and penalties: the most likely ids, and the sampled one's.

    Of a token of the prompt, `sampled` is its own and `rank` its place among all tokens, from 1.
    """

    top: Mapping[int, float]
    sampled: float
    rank: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptFacts:
    """What the engine found out about a prompt.

    `logprobs` has one entry a token where the request asked for them, None for the first token; else it is empty.
    """

    num_cached_tokens: int | None = None
    logprobs: tuple[StepLogprobs | None, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineDelta:
    """New tokens of one choice; several at once where the reader was slow. The end token is among them.

    `logprobs` has one entry a token where the request asked for them, else it is empty. `prompt` comes with the first delta.
    """

    index: int
    token_ids: tuple[int, ...]
    logprobs: tuple[StepLogprobs, ...] = ()
    finish_reason: EngineFinish | None = None
    prompt: PromptFacts | None = None


class Engine(Protocol):
    """What `server` asks of an engine."""

    @property
    def max_model_len(self) -> int:
        """Tokens of prompt and answer together."""
        ...

    @property
    def num_adapter_slots(self) -> int:
        """Adapters that can generate at the same time; 0 where the engine was started without any."""
        ...

    @property
    def adapter_capacity(self) -> int:
        """Adapters whose weights it holds at the same time; never fewer than slots."""
        ...

    def generate(self, request: EngineRequest) -> AsyncGenerator[EngineDelta, None]:
        """Stream the deltas of all choices; leaving early aborts the request.

        Raises:
            EngineDeadError: the engine died before or during the stream.
            InvalidRequest: the engine refuses the request.
        """
        ...

    async def abort(self, request_id: str, index: int | None = None) -> None:
        """End a request, or one choice of it; what was open has finish_reason "abort", stalled engine or not."""
        ...

    async def add_adapter(self, adapter: EngineAdapter) -> None:
        """Load the weights, so that no generation ever does. Loading the same key again changes nothing.

        Raises:
            StartError: the engine cannot take these weights; it goes on without them.
            EngineDeadError: the engine died.
        """
        ...

    async def remove_adapter(self, adapter: EngineAdapter) -> None:
        """Give back the memory of its weights. No request may use it; an adapter that is not there changes nothing.

        Raises:
            EngineDeadError: the engine died.
        """
        ...

    async def check_health(self) -> None:
        """Return if the engine answers.

        Raises:
            EngineDeadError: it does not, and will not again.
        """
        ...

    async def close(self) -> None:
        """Stop the engine and its processes."""
        ...


# How an engine comes to be: on this base, with room for these adapters.
StartEngine = Callable[[BaseFiles, Sequence[EngineAdapter]], Engine]
