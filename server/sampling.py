"""Request + profile -> Sampling and stops: the mapping the product is about. Pure.

Order of every value: the client's, the profile's, the base's generation_config, vLLM's default.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from adapters.chat_profile import SamplingDefaults
from adapters.stop_features import NUM_LISTED
from adapters.stop_head import StopHead

from .engine import Sampling
from .errors import InvalidRequest
from .finish import StopCause, TokenLimit
from .schema import GenerationRequest
from .served_model import ServedModel
from .stopping import StopText

_DEFAULTED = tuple(SamplingDefaults.model_fields)
# A client that sends one of these wants variety, which a profile's greedy default would take away.
_ASKS_FOR_VARIETY = ("top_p", "top_k", "min_p")


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationPlan:
    """What to ask of the engine, and what ends each choice.

    `stop_ids` says for each id in `sampling.stop_token_ids` what it means. `copies` > 1: the engine generates once and
    the answer is returned that many times (greedy with n > 1).
    """

    sampling: Sampling
    limit: TokenLimit
    stop_ids: Mapping[int, StopCause]
    stop_texts: tuple[StopText, ...] = ()
    stop_head: StopHead | None = None
    num_top_logprobs: int | None = None
    copies: int = 1
    skip_special_tokens: bool = True


def plan_generation(
    request: GenerationRequest, model: ServedModel, *, num_prompt_tokens: int, max_model_len: int
) -> GenerationPlan:
    """Decide everything about one request but its prompt.

    Raises:
        InvalidRequest: the prompt leaves no room for an answer, or a value contradicts another.
    """
    limit = _token_limit(request, model, num_prompt_tokens, max_model_len)
    min_tokens = request.min_tokens or 0
    if min_tokens > limit.value:
        raise InvalidRequest(
            f"min_tokens: {min_tokens} is over the most this answer may have, {limit.value}",
            param="min_tokens",
        )
    values = _sampling_values(request, model)
    n = request.n or 1
    copies = n if values["temperature"] == 0 else 1
    stop_ids = _stop_ids(request, model)
    stop_head = model.stop_head if _guarded(request) else None
    sampling = Sampling(
        max_tokens=limit.value,
        min_tokens=min_tokens,
        stop_token_ids=tuple(stop_ids),
        n=n // copies,
        seed=request.seed,
        temperature=values["temperature"],
        top_p=values["top_p"],
        top_k=int(values["top_k"]),
        min_p=values["min_p"],
        presence_penalty=values["presence_penalty"],
        frequency_penalty=values["frequency_penalty"],
        repetition_penalty=values["repetition_penalty"],
        num_logprobs=request.num_top_logprobs if stop_head is None else NUM_LISTED,
    )
    return GenerationPlan(
        sampling=sampling,
        limit=limit,
        stop_ids=stop_ids,
        stop_texts=_stop_texts(request, model),
        stop_head=stop_head,
        num_top_logprobs=request.num_top_logprobs,
        copies=copies,
        skip_special_tokens=request.skip_special_tokens is not False,
    )


def _token_limit(
    request: GenerationRequest, model: ServedModel, num_prompt_tokens: int, max_model_len: int
) -> TokenLimit:
    """The smallest of what the client asks, what the profile allows and what the context holds."""
    room = max_model_len - num_prompt_tokens
    if room < 1:
        raise InvalidRequest(
            f"the prompt has {num_prompt_tokens} tokens and this model's context is {max_model_len} tokens, "
            "which leaves no room for an answer; shorten the prompt",
            param="messages" if hasattr(request, "messages") else "prompt",
            code="context_length_exceeded",
        )
    asked, limits = request.client_max_tokens, model.token_limits
    if asked is None:
        limit = TokenLimit(value=limits.default, set_by="profile")
    elif limits.limit is not None and asked > limits.limit:
        limit = TokenLimit(value=limits.limit, set_by="profile")
    else:
        limit = TokenLimit(value=asked, set_by="client")
    return TokenLimit(value=room, set_by="context") if limit.value > room else limit


def _sampling_values(request: GenerationRequest, model: ServedModel) -> dict[str, float]:
    defaults = Sampling(max_tokens=1)
    values: dict[str, float] = {}
    for name in _DEFAULTED:
        sources = [
            getattr(request, name),
            _profile_value(name, request, model),
            getattr(model.base_sampling, name),
            getattr(defaults, name),
        ]
        values[name] = next(value for value in sources if value is not None)
    return values


def _profile_value(name: str, request: GenerationRequest, model: ServedModel) -> float | None:
    value: float | None = getattr(model.profile_sampling, name)
    if name == "temperature" and value == 0:
        wants_variety = any(getattr(request, field) is not None for field in _ASKS_FOR_VARIETY)
        if wants_variety or (request.n or 1) > 1:
            return None
    return value


def _stop_ids(request: GenerationRequest, model: ServedModel) -> dict[int, StopCause]:
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
    if not request.ignore_eos:
        ids = model.end_of_turn_ids if request.endturn.guards else model.base_stop_ids
        for token_id in ids:
            is_eos = token_id == model.tokenizer.eos_token_id
            causes[token_id] = StopCause(kind="eos" if is_eos else "stop_token", token_id=token_id)
    return causes


def _guarded(request: GenerationRequest) -> bool:
    """Whether the product's own stops are on: a client's `ignore_eos` switches them off too."""
    return request.endturn.guards and not request.ignore_eos


def _stop_texts(request: GenerationRequest, model: ServedModel) -> tuple[StopText, ...]:
    special = model.tokenizer.special_ids
    stops = [StopText(text, "stop_string") for text in request.stops if text not in special]
    if _guarded(request):
        clients = {stop.text for stop in stops}
        stops += [
            StopText(text, "role_marker", outside_code=not model.stops_in_code)
            for text in model.role_markers
            if text not in clients
        ]
    return tuple(stops)
