"""One short generation that proves an adapter before anybody is served with it."""

import asyncio
import math
import uuid
from contextlib import aclosing

from ..engine import Engine, EngineRequest, Sampling
from ..errors import RequestError, StartError
from ..served_model import ServedModel

PROBE_TOKENS = 2
TIMEOUT_S = 60.0


async def probe(engine: Engine, model: ServedModel) -> None:
    """Let `model` say a few tokens; its weights have a slot.

    Raises:
        StartError: nothing came in time, or what came are no numbers: broken weights poison every log-probability.
        EngineDeadError: the engine died of it.
    """
    request = EngineRequest(
        request_id=f"probe-{uuid.uuid4().hex}",
        prompt_token_ids=model.tokenizer.encode("Hello", add_special_tokens=True) or [0],
        sampling=Sampling(max_tokens=PROBE_TOKENS, temperature=0.0, num_logprobs=1),
        adapter=model.adapter,
    )
    num_tokens = 0
    try:
        async with asyncio.timeout(TIMEOUT_S), aclosing(engine.generate(request)) as deltas:
            async for delta in deltas:
                num_tokens += len(delta.token_ids)
                if any(math.isnan(step.sampled) for step in delta.logprobs):
                    raise StartError("its weights give no numbers: a log-probability is NaN")
    except TimeoutError:
        raise StartError(f"it said nothing within {TIMEOUT_S:.0f} s") from None
    except RequestError as exc:
        raise StartError(f"the engine refuses to generate with it: {exc}") from exc
    if not num_tokens:
        raise StartError("it said nothing")
