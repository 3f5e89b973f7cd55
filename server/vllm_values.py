"""Our values as vLLM's, and vLLM's as ours: sampling, outputs, errors. Only `vllm_engine` needs it.

Sampling maps to SamplingParams one to one, and the engine stops on our ids only. vLLM detokenises nothing.
"""

from vllm.exceptions import GracefulHTTPError, VLLMClientError
from vllm.outputs import CompletionOutput, RequestOutput
from vllm.sampling_params import RepetitionDetectionParams, RequestOutputKind, SamplingParams
from vllm.v1.engine.exceptions import EngineDeadError as VLLMEngineDeadError

from .engine import EngineDelta, PromptFacts, Sampling, StepLogprobs
from .errors import EndturnError, EngineDeadError, InternalError, InvalidRequest, Unavailable
from .parsing.vllm_structured import structured_outputs_params


def sampling_params(sampling: Sampling) -> SamplingParams:
    """Our Sampling as vLLM's. `ignore_eos` is always on: every id that ends an answer is in `stop_token_ids`."""
    return SamplingParams(
        n=sampling.n,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        top_k=sampling.top_k,
        min_p=sampling.min_p,
        presence_penalty=sampling.presence_penalty,
        frequency_penalty=sampling.frequency_penalty,
        repetition_penalty=sampling.repetition_penalty,
        seed=sampling.seed,
        max_tokens=sampling.max_tokens,
        min_tokens=sampling.min_tokens,
        logprobs=sampling.num_logprobs,
        prompt_logprobs=sampling.num_prompt_logprobs,
        repetition_detection=_repetition_detection(sampling),
        structured_outputs=structured_outputs_params(sampling.structured_output),
        logit_bias=dict(sampling.logit_bias) or None,
        allowed_token_ids=None
        if sampling.allowed_token_ids is None
        else list(sampling.allowed_token_ids),
        bad_words=list(sampling.bad_words),
        stop_token_ids=list(sampling.stop_token_ids),
        ignore_eos=True,
        detokenize=False,
        output_kind=RequestOutputKind.DELTA,
    )


def _repetition_detection(sampling: Sampling) -> RepetitionDetectionParams | None:
    asked = sampling.repetition_detection
    if asked is None:
        return None
    return RepetitionDetectionParams(
        max_pattern_size=asked.max_pattern_size,
        min_pattern_size=asked.min_pattern_size,
        min_count=asked.min_count,
    )


def engine_deltas(
    output: RequestOutput, sampling: Sampling, *, is_first: bool
) -> list[EngineDelta]:
    """One of vLLM's outputs as ours; the first of a request says what was found out about its prompt."""
    facts = prompt_facts(output, sampling.num_prompt_logprobs) if is_first else None
    return [
        EngineDelta(
            index=choice.index,
            token_ids=tuple(choice.token_ids),
            logprobs=step_logprobs(choice, sampling.num_logprobs),
            finish_reason=choice.finish_reason,
            prompt=facts,
        )
        for choice in output.outputs
    ]


def step_logprobs(output: CompletionOutput, number: int | None) -> tuple[StepLogprobs, ...]:
    """vLLM's dicts of Logprob as ours, where `number` were asked for. The sampled token is in its dict even where it is not among the likely ones."""
    if number is None or output.logprobs is None:
        return ()
    return tuple(
        StepLogprobs(
            {i: entry.logprob for i, entry in step.items() if entry.rank <= number},
            step[token_id].logprob,
        )
        for token_id, step in zip(output.token_ids, output.logprobs, strict=True)
    )


def prompt_facts(output: RequestOutput, number: int | None) -> PromptFacts:
    """What the first output of a request says of its prompt; log-probabilities where `number` were asked for."""
    listed = output.prompt_logprobs
    if number is None or listed is None or len(listed) != len(output.prompt_token_ids):
        # They are not whole where the request ended before its prompt was read.
        return PromptFacts(num_cached_tokens=output.num_cached_tokens)
    steps = zip(output.prompt_token_ids, listed, strict=True)
    return PromptFacts(
        num_cached_tokens=output.num_cached_tokens,
        logprobs=tuple(
            None
            if step is None
            else StepLogprobs(
                {i: entry.logprob for i, entry in step.items() if entry.rank <= number},
                step[token_id].logprob,
                step[token_id].rank,
            )
            for token_id, step in steps
        ),
    )


def translate_error(exc: Exception) -> EndturnError:
    """vLLM's errors as ours; what is nobody's fault outside becomes an InternalError."""
    if isinstance(exc, VLLMEngineDeadError):
        return EngineDeadError(str(exc))
    if isinstance(exc, GracefulHTTPError):
        return Unavailable(str(exc), code="engine_busy")
    if isinstance(exc, VLLMClientError | ValueError):
        param = getattr(exc, "parameter", None)
        return InvalidRequest(f"the engine refuses the request: {exc}", param=param)
    return InternalError("the engine failed on this request; try again")
