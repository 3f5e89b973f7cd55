"""What the second adapter's stop head is fitted on, as a small file: tests fit it again without the adapter.

second-places.npz holds NUM_ANSWERS of its training answers: at every place the log-probabilities of the NUM_KEPT tokens that
are likeliest at the ends (a fit chooses fewer among them, so that it is the same as on whole lists), in steps of STEP nats,
the line breaks of the token that follows, and whether the answer may end there.
"""

from pathlib import Path

import numpy as np

from adapters.answer_logprobs import AnswerLogprobs, ModelOptions, answer_logprobs
from adapters.answer_tokens import TokenizedAnswer, tokenize_answers
from adapters.conversations import read_conversations
from adapters.errors import ModelFilesError
from adapters.stop_features import FLOOR, line_breaks, stop_features
from adapters.stop_head_fit import Judge, sentence_judge
from adapters.stop_regression import likely_at_ends, places
from adapters.tokenizer_files import read_tokenizer

FILE = Path(__file__).parent / "second-places.npz"
NUM_ANSWERS, NUM_KEPT = 200, 20
STEP = 0.1


def record(base: Path, adapter: Path, template: str, data: Path) -> None:
    """Write FILE from the converted adapter."""
    tokenizer = read_tokenizer(base, ModelFilesError, follow_links=True)
    if tokenizer is None:
        raise RuntimeError(f"{base} has no tokenizer")
    conversations = read_conversations(data, max_answers=NUM_ANSWERS).conversations
    tokenized = tokenize_answers(conversations, template, tokenizer, max_tokens=2048)
    found = list(answer_logprobs(base, adapter, tokenized.answers, ModelOptions()))
    found.sort(key=lambda each: each.answer.line)
    of_token, judge = line_breaks(tokenizer.tokenizer), sentence_judge(tokenizer)
    kept = likely_at_ends([places(each, of_token) for each in found], NUM_KEPT)
    rows = [stop_features(each.listed(k), kept) for each in found for k in range(len(each.ids))]
    np.savez_compressed(
        FILE,
        token_ids=np.array(kept, dtype=np.int32),
        num_tokens=np.array([len(each.answer.token_ids) for each in found], dtype=np.int16),
        logprobs=np.round(-np.array(rows) / STEP).astype(np.uint8),
        line_breaks=np.array(
            [of_token.get(i, 0) for each in found for i in each.answer.token_ids], dtype=np.uint8
        ),
        may_end=np.packbits([judge(each, k) for each in found for k in range(len(each.ids))]),
    )
    print(f"wrote {FILE}: {len(found)} answers, {FILE.stat().st_size:,} bytes")


def recorded() -> tuple[list[AnswerLogprobs], Judge]:
    """The answers of FILE, and its judge. Their token ids are the numbers of line breaks in them, no ids of a tokenizer."""
    with np.load(FILE) as opened:
        file = dict(opened)
    num_places = file["num_tokens"].astype(int) + 1
    ends = np.cumsum(num_places)
    may_end = np.unpackbits(file["may_end"])[: ends[-1]].astype(bool)
    logprobs = np.maximum(-file["logprobs"].astype(np.float32) * STEP, FLOOR)
    tokens = np.split(file["line_breaks"], np.cumsum(num_places - 1)[:-1])
    answers = [
        AnswerLogprobs(
            answer=TokenizedAnswer(
                line=line, prompt_ids=(0,), token_ids=tuple(tokens[line].tolist())
            ),
            ids=np.tile(file["token_ids"], (number, 1)),
            logprobs=logprobs[end - number : end],
        )
        for line, (number, end) in enumerate(zip(num_places, ends, strict=True))
    ]
    starts = ends - num_places
    return answers, lambda found, k: bool(may_end[starts[found.answer.line] + k])
