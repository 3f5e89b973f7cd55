"""The most likely tokens after every token of given answers: base + adapter teacher-forced through transformers and peft.

One of the modules that compute with weights. Logits are made for the answers' positions alone, a few at a time, and what
is kept of them is what an engine lists: the NUM_LISTED most likely tokens.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .answer_tokens import TokenizedAnswer
from .errors import ModelFilesError
from .stop_features import NUM_LISTED

# 64 rows of 262,144 logits (Gemma, the widest vocabulary in use) are 67 MB in float32.
POSITIONS_AT_ONCE = 64
# Largest difference between our logits and the model's own, in nats: more than bfloat16's rounding of large logits.
LOGIT_TOLERANCE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """Where and how to compute. `dtype` None is the base's own, float32 bases in bfloat16 as engines serve them."""

    device: str = "cpu"
    dtype: str | None = None
    batch_tokens: int = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerLogprobs:
    """What follows an answer's first k tokens, k from 0 to all n: `ids` and `logprobs`, [n + 1, NUM_LISTED], best first.

    Log-probabilities are raw, in nats.
    """

    answer: TokenizedAnswer
    ids: NDArray[np.int32]
    logprobs: NDArray[np.float32]

    def listed(self, num_tokens: int) -> dict[int, float]:
        """The list after `num_tokens` tokens of the answer, as an engine gives it."""
        ids, logprobs = self.ids[num_tokens].tolist(), self.logprobs[num_tokens].tolist()
        return dict(zip(ids, logprobs, strict=True))


def answer_logprobs(
    base: Path, adapter: Path | None, answers: Sequence[TokenizedAnswer], options: ModelOptions
) -> Iterator[AnswerLogprobs]:
    """Load the model, then give each answer's lists as they are computed: in order of length, not in the given order.

    Args:
        base: the model directory: an overlay where the adapter needs rows of its own, the merged model where it was merged.
        adapter: the converted adapter, None where it is merged into the base.

    Raises:
        ModelFilesError: the model cannot be loaded, or does something to its logits that is not known here.
    """
    import torch

    with torch.inference_mode():
        model = _Model(_load(base, adapter, options), base)
        if answers:
            model.check_logits(min(answers, key=lambda answer: answer.num_tokens))
        for batch in _batches(answers, options.batch_tokens):
            yield from model.run(batch)


def _batches(
    answers: Sequence[TokenizedAnswer], batch_tokens: int
) -> Iterator[list[TokenizedAnswer]]:
    """Answers alike in length, at most `batch_tokens` a batch with padding (one answer may have more)."""
    batch: list[TokenizedAnswer] = []
    for answer in sorted(answers, key=lambda answer: -answer.num_tokens):
        if batch and batch[0].num_tokens * (len(batch) + 1) > batch_tokens:
            yield batch
            batch = []
        batch.append(answer)
    if batch:
        yield batch


def _load(base: Path, adapter: Path | None, options: ModelOptions) -> Any:
    import torch
    from peft import PeftModel
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        config = AutoConfig.from_pretrained(base, trust_remote_code=False)
        dtype = options.dtype or config.get_text_config().dtype or torch.bfloat16
        if options.dtype is None and dtype in (torch.float32, "float32"):
            dtype = torch.bfloat16
        model: Any = AutoModelForCausalLM.from_pretrained(
            base, dtype=dtype, trust_remote_code=False, use_safetensors=True
        )
        if adapter is not None:
            # Engines compute LoRA in the model's own precision.
            model = PeftModel.from_pretrained(model, adapter, autocast_adapter_dtype=False)
            model = model.get_base_model()
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError) as exc:
        raise ModelFilesError(base, f"cannot be loaded by transformers and peft ({exc})") from exc
    return model.to(options.device).eval()


class _Model:
    """A causal language model taken apart: hidden states for whole batches, logits for chosen positions."""

    def __init__(self, model: Any, path: Path) -> None:
        self._model, self._path = model, path
        self._decoder, self._head = model.get_decoder(), model.get_output_embeddings()
        self._config = model.config.get_text_config()

    def run(self, batch: Sequence[TokenizedAnswer]) -> Iterator[AnswerLogprobs]:
        import torch

        width = max(answer.num_tokens for answer in batch)
        rows = [[*answer.prompt_ids, *answer.token_ids] for answer in batch]
        device = self._model.device
        ids = torch.tensor([row + [0] * (width - len(row)) for row in rows], device=device)
        lengths = torch.tensor([len(row) for row in rows], device=device)
        mask = (torch.arange(width, device=device) < lengths[:, None]).long()
        hidden = self._decoder(input_ids=ids, attention_mask=mask, use_cache=False)[0]
        for answer, states in zip(batch, hidden, strict=True):
            # The state at the prompt's last token says what comes first.
            yield self._list(answer, states[len(answer.prompt_ids) - 1 : answer.num_tokens])

    def check_logits(self, answer: TokenizedAnswer) -> None:
        """Compare our logits with the model's own at one position.

        Raises:
            ModelFilesError: they differ: the architecture scales them in a way that is not known here.
        """
        import torch

        ids = torch.tensor([[*answer.prompt_ids, *answer.token_ids]], device=self._model.device)
        own = self._model(input_ids=ids, use_cache=False, logits_to_keep=1).logits[0, -1].float()
        ours = self._logits(self._decoder(input_ids=ids, use_cache=False)[0][0, -1:])[0]
        if not bool(((own - ours).abs().max() <= LOGIT_TOLERANCE).item()):
            name = type(self._model).__name__
            raise ModelFilesError(
                self._path,
                f"{name} changes its logits in a way that is not known here; no stop head can be fitted",
            )

    def _list(self, answer: TokenizedAnswer, states: Any) -> AnswerLogprobs:
        ids, logprobs = [], []
        for chunk in states.split(POSITIONS_AT_ONCE):
            logits = self._logits(chunk)
            best = logits.topk(NUM_LISTED, dim=-1)
            listed = best.values - logits.logsumexp(dim=-1, keepdim=True)
            ids.append(best.indices.int().cpu().numpy())
            logprobs.append(listed.cpu().numpy())
        return AnswerLogprobs(
            answer=answer, ids=np.concatenate(ids), logprobs=np.concatenate(logprobs)
        )

    def _logits(self, states: Any) -> Any:
        """Logits in float32, [positions, vocabulary], of hidden states [positions, width]."""
        logits = self._head(states).float()
        if divisor := getattr(self._config, "logits_scaling", None):  # Granite
            logits = logits / divisor
        if factor := getattr(self._config, "logit_scale", None):  # Cohere
            logits = logits * factor
        if cap := getattr(self._config, "final_logit_softcapping", None):  # Gemma 2
            logits = cap * (logits / cap).tanh()
        return logits
