"""Generations made by hand: a text cut into small tokens, and lists in which the token END is likely where it is told."""

import re
from collections.abc import Collection

import numpy as np

from adapters.runaway_ends import Generation
from adapters.stop_features import NUM_LISTED

QUESTION = "What does os.path.join do?"
PROMPT = f"<bos>Be kind.\n\n### Human:\n{QUESTION}\n\n### Assistant:\n"
END, GOES_ON = 300, 301
OTHERS = np.arange(310, 310 + NUM_LISTED - 2)
_PIECE = re.compile(r"\n+| ?\w+| ?[^\w\s]| ")


def pieces(text: str) -> tuple[str, ...]:
    """Small tokens as tokenizers make them: line breaks, words with the space before them, punctuation."""
    found = tuple(_PIECE.findall(text))
    assert "".join(found) == text
    return found


def generation(
    *texts: str,
    line: int = 1,
    has_ended: bool = False,
    likely_ends: Collection[int] = (),
    rng: np.random.Generator | None = None,
    prompt: str = PROMPT,
    question: str = QUESTION,
) -> Generation:
    """`likely_ends` are steps; ids are those of the first byte of each piece."""
    said = tuple(piece for text in texts for piece in pieces(text))
    if has_ended:
        said = (*said, "<eos>")
    rng = rng or np.random.default_rng(0)
    ids, logprobs = [], []
    for step in range(len(said)):
        likely, other = (-0.1, -5.0) if step in likely_ends else (-5.0, -0.1)
        row = [(END, likely), (GOES_ON, other), *((int(i), -9.0) for i in OTHERS)]
        best = sorted(((i, p + rng.normal() * 0.1) for i, p in row), key=lambda entry: -entry[1])
        ids.append([i for i, _ in best])
        logprobs.append([min(p, -0.01) for _, p in best])
    shape = (len(said), NUM_LISTED)
    return Generation(
        line=line,
        prompt=prompt,
        question=question,
        prompt_ids=(1, 2),
        token_ids=tuple(piece.encode()[0] for piece in said),
        pieces=said,
        ids=np.array(ids, dtype=np.int32).reshape(shape),
        logprobs=np.array(logprobs, dtype=np.float32).reshape(shape),
        has_ended=has_ended,
    )
