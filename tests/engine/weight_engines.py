"""What PEFT and vLLM make of the same weights, as a process of its own: `python -m tests.engine.weight_engines peft|vllm JOBS`.

JOBS is a JSON list; each job's log-probabilities of the next token, [prompts, vocabulary], go to an .npz file. Both libraries
warn a good deal, which the tests' own process does not let pass.
"""

import gc
import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np

Job = dict[str, Any]
# Rows that raw adapters change; every other prompt has them.
INPUT_ROWS, OUTPUT_ROWS = [3, 7, 500], [7, 11]
PROMPTS = [
    [*(INPUT_ROWS if i % 2 else []), *((i * 37 + j * j * 11 + 20) % 480 + 12 for j in range(3 + i))]
    for i in range(16)
]


def peft(jobs: list[Job]) -> None:
    """Train-like: make a raw adapter as PEFT saves it, and what it computes when PEFT loads it again.

    A job has base, raw (where the adapter goes), out, lora (LoraConfig's arguments), resize (rows of a larger vocabulary) and
    changed (module name: ids whose rows are set).
    """
    import torch
    from peft import LoraConfig, PeftModel, get_peft_model
    from transformers import AutoModelForCausalLM

    warnings.simplefilter("ignore")
    for seed, job in enumerate(jobs):
        random = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)

        def load(job: Job = job) -> Any:
            model = AutoModelForCausalLM.from_pretrained(job["base"])
            if job.get("resize"):
                model.resize_token_embeddings(job["resize"])
            return model

        if job.get("lora") is not None:
            model = get_peft_model(load(), LoraConfig(**job["lora"]))
            for name, parameter in model.named_parameters():
                if not parameter.requires_grad:
                    continue
                if "modules_to_save" not in name:
                    noise = torch.randn(parameter.shape, generator=random)
                    parameter.data += 0.1 * noise
                for module, ids in job.get("changed", {}).items():
                    if module in name and "modules_to_save" in name:
                        shape = (len(ids), parameter.shape[1])
                        parameter.data[ids] = 0.5 * torch.randn(shape, generator=random)
            model.save_pretrained(job["raw"])
        model = load() if job.get("raw") is None else PeftModel.from_pretrained(load(), job["raw"])
        model.eval()
        with torch.no_grad():
            logits = [model(input_ids=torch.tensor([p])).logits[0, -1].double() for p in PROMPTS]
        np.savez(job["out"], logprobs=torch.stack(logits).log_softmax(-1).numpy())


def vllm(jobs: list[Job]) -> None:
    """Serve: a job has model, adapters (null for none) and out; an adapter that does not load gives its error instead."""
    os.environ |= {
        "VLLM_TARGET_DEVICE": "cpu",
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_LOGGING_LEVEL": "ERROR",
    }
    from vllm import LLM, SamplingParams
    from vllm.lora.request import LoRARequest

    sampling = SamplingParams(
        max_tokens=1, temperature=0, logprobs=-1, detokenize=False, ignore_eos=True
    )
    prompts = [{"prompt_token_ids": prompt} for prompt in PROMPTS]
    for job in jobs:
        lora = {"enable_lora": True, "max_lora_rank": 32, "max_loras": 2, "max_cpu_loras": 8}
        engine = LLM(
            model=job["model"],
            skip_tokenizer_init=True,
            dtype="float32",
            enforce_eager=True,
            max_model_len=64,
            max_num_seqs=len(prompts),
            max_num_batched_tokens=512,
            max_logprobs=-1,
            enable_prefix_caching=False,
            **(lora if job["adapters"] else {}),
        )
        found: dict[str, Any] = {}
        for number, adapter in enumerate(job["adapters"] or [None], start=1):
            request = None if adapter is None else LoRARequest(adapter, number, adapter)
            name = Path(adapter).name if adapter else "model"
            try:
                if request is not None:
                    engine.llm_engine.add_lora(request)
            except (ValueError, RuntimeError) as error:
                found[name] = np.array(f"{type(error).__name__}: {error}")
                continue
            answers = engine.generate(prompts, sampling, lora_request=request, use_tqdm=False)
            tokens = [answer.outputs[0].logprobs[0] for answer in answers]
            found[name] = np.array([[t[i].logprob for i in range(len(t))] for t in tokens])
        np.savez(job["out"], **found)
        del engine
        gc.collect()


if __name__ == "__main__":
    command = {"peft": peft, "vllm": vllm}[sys.argv[1]]
    command(json.loads(Path(sys.argv[2]).read_text()))
