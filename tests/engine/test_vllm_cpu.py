"""What the CPU build is kept from."""

from types import SimpleNamespace

import pytest

from server.engine import Sampling
from server.errors import InvalidRequest
from server.vllm_cpu import MAX_UNCHUNKED_TOKENS, refuse_what_kills_it, suit_the_cpu_build


def config(*, chunked: bool) -> SimpleNamespace:
    return SimpleNamespace(scheduler_config=SimpleNamespace(enable_chunked_prefill=chunked))


def engine_args(length: int, **given: object) -> SimpleNamespace:
    model = SimpleNamespace(max_model_len=length)
    fields: dict[str, object] = {"kv_cache_memory_bytes": None, "enable_chunked_prefill": None}
    fields |= {"max_num_batched_tokens": None, **given}
    return SimpleNamespace(create_model_config=lambda: model, **fields)


def sampled(**fields: object) -> Sampling:
    return Sampling(max_tokens=8, **fields)  # type: ignore[arg-type]


def test_a_seed_is_refused_where_prompts_are_chunked() -> None:
    with pytest.raises(InvalidRequest, match="seed") as caught:
        refuse_what_kills_it(sampled(seed=1), config(chunked=True))
    assert caught.value.param == "seed"
    for harmless in (sampled(), sampled(seed=1, temperature=0.0)):
        refuse_what_kills_it(harmless, config(chunked=True))
    refuse_what_kills_it(sampled(seed=1), config(chunked=False))


def test_short_contexts_are_not_chunked_unless_the_operator_says_so() -> None:
    for length, given, wanted in (
        (2048, {}, False),
        (MAX_UNCHUNKED_TOKENS + 1, {}, None),
        (2048, {"enable_chunked_prefill": True}, True),
        (2048, {"max_num_batched_tokens": 512}, None),
    ):
        args = engine_args(length, **given)
        suit_the_cpu_build(args)
        assert args.enable_chunked_prefill is wanted
        assert args.kv_cache_memory_bytes == 2 << 30
