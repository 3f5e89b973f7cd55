"""Request + profile -> Sampling and stops: the mapping the product is about. Pure.

Order of every value: the client's, the profile's, the base's generation_config, vLLM's default.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from adapters.chat_profile import SamplingDefaults
from adapters.stop_features import NUM_LISTED
from adapters.stop_head import StopHead

from .engine import Sampling
from .errors import InvalidRequest
from .finish import StopCause, TokenLimit
from .parsing.port import AnswerForm, ParsingPlan
from .schema.generation_request import GenerationRequest
from .served_model import ServedModel
from .stop_rules import stop_rules
from .stopping import LoopSettings, StopText

_DEFAULTED = tuple(SamplingDefaults.model_fields)
# A client that sends one of these wants variety, which a profile's greedy default would take away.
_ASKS_FOR_VARIETY = ("top_p", "top_k", "min_p")


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationPlan:
    """What to ask of the engine, and what ends each choice.

    `stop_ids` says for each id in `sampling.stop_token_ids` what it means, `stop_marks` which ids stand in `stop_texts`
    as a mark. `copies` > 1: the engine generates once and the answer is returned that many times (greedy with n > 1).
    `limit.value` is 0 where the prompt alone is to be returned: the engine still makes a token, and it is dropped.
    """

    sampling: Sampling
    limit: TokenLimit
    stop_ids: Mapping[int, StopCause]
    stop_texts: tuple[StopText, ...] = ()
    stop_marks: Mapping[int, str] = field(default_factory=dict)
    stop_head: StopHead | None = None
    near_loops: LoopSettings | None = None
    num_top_logprobs: int | None = None
    lists_the_end: bool = False
    copies: int = 1
    # Of all choices, the likeliest this many are returned.
    num_returned: int = 1
    skip_special_tokens: bool = True
    # Show the client's stop string, or the token that was the stop, as vLLM does.
    shows_stop: bool = False
    # How content, reasoning and tool calls are told apart; None: all of the text is content.
    parsing: ParsingPlan | None = None
    # Whether parsers are to give what they find at once, or may wait for the end.
    in_pieces: bool = True
    stops_in_reasoning: bool = False

    @property
    def num_choices(self) -> int:
        """How many choices the prompt gets; `num_returned` of them are returned."""
        return self.sampling.n * self.copies


def plan_generation(
    request: GenerationRequest,
    model: ServedModel,
    *,
    num_prompt_tokens: int,
    max_model_len: int,
    parsing: ParsingPlan | None = None,
    prompt_field: str = "prompt",
) -> GenerationPlan:
    """Decide everything about one prompt's answers.

    Args:
        prompt_field: what a text completion's prompt is called in errors.

    Raises:
        InvalidRequest: the prompt leaves no room for an answer, a value contradicts another, or a token id is not in
            the vocabulary.
    """
    limit = _token_limit(request, model, num_prompt_tokens, max_model_len, prompt_field)
    min_tokens = request.min_tokens or 0
    if min_tokens > limit.value:
        raise InvalidRequest(
            f"min_tokens: {min_tokens} is over the most this answer may have, {limit.value}",
            param="min_tokens",
        )
    values = _sampling_values(request, model)
    n = request.n or 1
    # Greedy choices are all the same, and so are those that are not to begin.
    are_alike = values["temperature"] == 0 or limit.value == 0
    num_generated = 1 if are_alike else request.num_candidates
    num_top_logprobs = request.num_top_logprobs
    if num_top_logprobs is None and num_generated > n:
        num_top_logprobs = 0  # the likeliest are found by them
    form = _answer_form(request, parsing)
    rules = stop_rules(request, model, form)
    sampling = Sampling(
        max_tokens=max(1, limit.value),
        min_tokens=min_tokens,
        stop_token_ids=tuple(rules.ids),
        n=num_generated,
        seed=request.seed,
        temperature=values["temperature"],
        top_p=values["top_p"],
        top_k=int(values["top_k"]),
        min_p=values["min_p"],
        presence_penalty=values["presence_penalty"],
        frequency_penalty=values["frequency_penalty"],
        repetition_penalty=values["repetition_penalty"],
        num_logprobs=num_top_logprobs if rules.head is None else NUM_LISTED,
        num_prompt_logprobs=request.num_prompt_logprobs,
        repetition_detection=rules.cycles,
        structured_output=form.structured,
        logit_bias={int(key): bias for key, bias in (request.logit_bias or {}).items()},
        allowed_token_ids=None
        if request.allowed_token_ids is None
        else tuple(request.allowed_token_ids),
        bad_words=tuple(request.bad_words or ()),
    )
    _check_vocabulary("logit_bias", sampling.logit_bias, model)
    _check_vocabulary("allowed_token_ids", sampling.allowed_token_ids or (), model)
    return GenerationPlan(
        sampling=sampling,
        limit=limit,
        stop_ids=rules.ids,
        stop_texts=rules.texts,
        stop_marks=rules.marks,
        stop_head=rules.head,
        near_loops=rules.near_loops,
        num_top_logprobs=num_top_logprobs,
        lists_the_end=request.lists_the_end,
        copies=n if are_alike else 1,
        num_returned=n,
        skip_special_tokens=form.skips_special_tokens,
        shows_stop=bool(request.include_stop_str_in_output),
        parsing=parsing,
        in_pieces=bool(request.stream),
        stops_in_reasoning=request.endturn.stops_in_reasoning,
    )


def _answer_form(request: GenerationRequest, parsing: ParsingPlan | None) -> AnswerForm:
    skips_special_tokens = request.skip_special_tokens is not False
    if parsing is None:
        return AnswerForm(structured=request.structured, skips_special_tokens=skips_special_tokens)
    asked = request.parse_request
    return AnswerForm(
        structured=parsing.structured,
        may_call_tools=asked is not None and asked.demand != "none",
        skips_special_tokens=skips_special_tokens and parsing.skips_special_tokens,
    )


def _check_vocabulary(param: str, token_ids: Iterable[int], model: ServedModel) -> None:
    for token_id in token_ids:
        if token_id >= model.tokenizer.vocab_size:
            raise InvalidRequest(
                f"{param}: {token_id} is not in this model's vocabulary of {model.tokenizer.vocab_size}",
                param=param,
            )


def _token_limit(
    request: GenerationRequest,
    model: ServedModel,
    num_prompt_tokens: int,
    max_model_len: int,
    prompt_field: str,
) -> TokenLimit:
    """The smallest of what the client asks, what the profile allows and what the context holds."""
    room = max_model_len - num_prompt_tokens
    if room < 1:
        raise InvalidRequest(
            f"the prompt has {num_prompt_tokens} tokens and this model's context is {max_model_len} tokens, "
            "which leaves no room for an answer; shorten the prompt",
            param=prompt_field if request.conversation is None else "messages",
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
        if wants_variety or request.num_candidates > 1:
            return None
    return value
