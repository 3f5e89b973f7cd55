"""On random models of two layers: what is computed a few positions at a time is what the whole model says."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from adapters import answer_logprobs as module
from adapters.answer_logprobs import AnswerLogprobs, ModelOptions, answer_logprobs
from adapters.answer_tokens import TokenizedAnswer
from adapters.errors import ModelFilesError
from adapters.stop_features import NUM_LISTED

from .tiny_models import VOCABULARY, Architecture, build_adapter, build_base

OPTIONS = ModelOptions(dtype="float32")


def some_answers() -> list[TokenizedAnswer]:
    rng = np.random.default_rng(0)
    return [
        TokenizedAnswer(
            line=line,
            prompt_ids=tuple(rng.integers(2, VOCABULARY, 3 + line).tolist()),
            token_ids=tuple(rng.integers(2, VOCABULARY, num_tokens).tolist()),
        )
        for line, num_tokens in enumerate([1, 7, 20, 90], start=1)
    ]


def whole_logprobs(model: Any, answer: TokenizedAnswer) -> Any:
    """[n + 1, vocabulary], by one plain forward pass."""
    with torch.inference_mode():
        logits = model(torch.tensor([[*answer.prompt_ids, *answer.token_ids]])).logits[0]
    return logits[len(answer.prompt_ids) - 1 :].float().log_softmax(-1)


def check(found: AnswerLogprobs, expected: Any) -> None:
    best = expected.topk(NUM_LISTED)
    assert found.ids.shape == (len(found.answer.token_ids) + 1, NUM_LISTED)
    np.testing.assert_allclose(found.logprobs, best.values, atol=1e-4)
    listed = expected.gather(1, torch.tensor(found.ids.astype(np.int64)))
    np.testing.assert_allclose(found.logprobs, listed, atol=1e-4)


@pytest.mark.parametrize("architecture", ["llama", "gemma3"])
@pytest.mark.parametrize("batch_tokens", [1, 128, 4096])
def test_the_lists_are_those_of_a_plain_forward_pass(
    tmp_path: Path, architecture: Architecture, batch_tokens: int
) -> None:
    base = build_base(tmp_path / "base", architecture)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    options = ModelOptions(dtype="float32", batch_tokens=batch_tokens)
    found = list(answer_logprobs(base, None, some_answers(), options))
    assert {f.answer.line for f in found} == {1, 2, 3, 4}
    for each in found:
        check(each, whole_logprobs(model, each.answer))


def test_the_adapter_is_applied(tmp_path: Path) -> None:
    base, adapter = build_base(tmp_path / "base"), build_adapter(tmp_path / "adapter")
    plain = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    model = PeftModel.from_pretrained(plain, adapter)
    for each in answer_logprobs(base, adapter, some_answers(), OPTIONS):
        check(each, whole_logprobs(model, each.answer))


def test_capped_logits_are_capped_here_too(tmp_path: Path) -> None:
    base = build_base(tmp_path / "base", "gemma3")
    set_config(base, final_logit_softcapping=0.5)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    for each in answer_logprobs(base, None, some_answers(), OPTIONS):
        check(each, whole_logprobs(model, each.answer))


def test_logits_that_are_changed_in_an_unknown_way_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = build_base(tmp_path / "base")
    load = module._load

    def scaled(*args: Any) -> Any:
        model = load(*args)
        forward = model.forward

        def doubled(*args: Any, **kwargs: Any) -> Any:
            output = forward(*args, **kwargs)
            output.logits = output.logits * 2
            return output

        model.forward = doubled
        return model

    monkeypatch.setattr(module, "_load", scaled)
    with pytest.raises(ModelFilesError, match="LlamaForCausalLM changes its logits"):
        list(answer_logprobs(base, None, some_answers(), OPTIONS))


def test_a_base_without_weights_is_refused(tmp_path: Path) -> None:
    base = build_base(tmp_path / "base", weights=False)
    with pytest.raises(ModelFilesError, match="cannot be loaded by transformers and peft"):
        list(answer_logprobs(base, None, some_answers(), OPTIONS))


def test_a_float32_base_is_read_in_the_precision_it_is_served_in(tmp_path: Path) -> None:
    base = build_base(tmp_path / "base")
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16)
    for each in answer_logprobs(base, None, some_answers(), ModelOptions(batch_tokens=1)):
        best = whole_logprobs(model, each.answer).topk(NUM_LISTED).values
        np.testing.assert_allclose(each.logprobs, best, atol=0.05)


def set_config(base: Path, **fields: Any) -> None:
    path = base / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))
