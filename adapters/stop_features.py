"""What a stop head reads: log-probabilities of its tokens from the list of the most likely ones.

The one implementation for fitting and serving. Log-probabilities are raw: log-softmax of the model's own logits, before
temperature and penalties. Knows neither torch nor the engine.
"""

from collections.abc import Mapping, Sequence

NUM_LISTED = 20
"""How many of the most likely tokens are listed at every step."""

FLOOR = -20.0
"""Natural log-probability that a token outside the list counts as, and the least that one inside counts as."""


def stop_features(logprobs: Mapping[int, float], token_ids: Sequence[int]) -> list[float]:
    """One feature for each of `token_ids`, in their order, each in [FLOOR, 0].

    `logprobs` holds the NUM_LISTED most likely tokens of one step and no others: engines list the sampled token besides,
    which is to be left out where it is not among these.
    """
    get = logprobs.get
    # A comparison, not max(): half the time, and NaN counts as FLOOR.
    return [found if (found := get(token_id, FLOOR)) > FLOOR else FLOOR for token_id in token_ids]
