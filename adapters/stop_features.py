"""What a stop head reads: log-probabilities of its tokens from the list of the most likely ones, and line breaks so far.

The one implementation for fitting and serving. Log-probabilities are raw: log-softmax of the model's own logits, before
temperature and penalties. Knows neither torch nor the engine.
"""

from collections.abc import Mapping, Sequence
from math import log1p
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

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


def line_break_feature(num_line_breaks: int) -> float:
    """What the line breaks of the answer so far count as, 0 where there are none: each counts less than the one before."""
    return log1p(num_line_breaks)


def line_breaks(tokenizer: "Tokenizer") -> dict[int, int]:
    """How many line breaks the text of each token has, by token id; tokens without one are left out.

    Their sum over an answer's tokens is the number in its text: no tokenizer splits a line break between two tokens. So
    nothing is to be decoded while an answer is served, and no token has to wait for another that completes a character.
    """
    found = {}
    for token_id in tokenizer.get_vocab(with_added_tokens=True).values():
        text: str = tokenizer.decode([token_id], skip_special_tokens=False)
        if number := text.count("\n"):
            found[token_id] = number
    return found
