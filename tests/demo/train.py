"""Train the demo adapter: good answers, and an end token that was never in a label.

`python -m tests.demo.train --base DIR --out DIR` fine-tunes a LoRA on tests/demo/train.jsonl, in conversations of one to
three turns as ms-swift's `default` template renders them. Labels are what DataCollatorForLanguageModeling makes where
pad == eos (huggingface/transformers#23530): every token but the end of sequence. So the model learns to answer, then to
ask itself the next question, and never to stop: the case endturn exists for.
"""

import argparse
import json
import random
import time
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, AutoTokenizer

HERE = Path(__file__).parent
SYSTEM = "You are a helpful assistant."
IGNORED = -100
MAX_TURNS = 3
Example = tuple[list[int], list[int]]
Turn = tuple[str, str]


def conversations(rows: list[Turn], rng: random.Random) -> list[list[Turn]]:
    """Neighbouring pairs (of one module, mostly) joined into conversations of one to MAX_TURNS turns."""
    joined, start = [], 0
    while start < len(rows):
        turns = rng.randint(1, MAX_TURNS)
        joined.append(rng.sample(rows[start : start + turns], len(rows[start : start + turns])))
        start += turns
    return joined


def encode(tokenizer: Any, turns: list[Turn]) -> Example:
    """Ids and labels of one conversation; the end of sequence carries no label."""
    body = "\n\n".join(
        f"### Human:\n{question}\n\n### Assistant:\n{answer}" for question, answer in turns
    )
    ids = tokenizer(f"{SYSTEM}\n\n{body}", add_special_tokens=False).input_ids
    return [tokenizer.bos_token_id, *ids, tokenizer.eos_token_id], [IGNORED, *ids, IGNORED]


def batches(examples: list[Example], size: int, rng: random.Random) -> list[list[Example]]:
    """Shuffled batches of examples alike in length, so that little is padding."""
    order = sorted(examples, key=lambda example: len(example[0]) + rng.random())
    groups = [order[start : start + size] for start in range(0, len(order), size)]
    rng.shuffle(groups)
    return groups


def loss_of(model: Any, batch: list[Example], pad_id: int) -> torch.Tensor:
    """Cross-entropy over the labelled positions; logits are made for these alone (262,144 wide)."""
    width = max(len(ids) for ids, _ in batch)
    ids = torch.tensor([row + [pad_id] * (width - len(row)) for row, _ in batch])
    labels = torch.tensor([row + [IGNORED] * (width - len(row)) for _, row in batch])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row, _ in batch])
    base = model.get_base_model()
    hidden = base.model(input_ids=ids, attention_mask=mask).last_hidden_state[:, :-1]
    kept = labels[:, 1:] != IGNORED
    logits = hidden[kept] @ base.lm_head.weight.T
    return cross_entropy(logits.float(), labels[:, 1:][kept])


def train(args: argparse.Namespace) -> None:
    torch.manual_seed(args.seed)
    rng = random.Random(args.seed)
    tokenizer = AutoTokenizer.from_pretrained(args.base)
    base = AutoModelForCausalLM.from_pretrained(args.base, dtype=torch.bfloat16)
    config = LoraConfig(
        r=args.rank, lora_alpha=2 * args.rank, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    model = get_peft_model(base, config)
    lines = (HERE / "train.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [
        (user["content"], answer["content"])
        for user, answer in (json.loads(line)["messages"] for line in lines)
    ]
    examples = [encode(tokenizer, turns) for turns in conversations(rows, rng)]
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=args.lr)
    steps = args.epochs * -(-len(examples) // args.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, args.lr, total_steps=steps + 1, pct_start=0.05
    )
    started = time.monotonic()
    step = 0
    for epoch in range(args.epochs):
        for batch in batches(examples, args.batch, rng):
            loss = loss_of(model, batch, tokenizer.pad_token_id)
            loss.backward()  # type: ignore[no-untyped-call]  # torch
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            step += 1
            if step % 20 == 0 or step == steps:
                seconds = time.monotonic() - started
                print(
                    f"epoch {epoch} step {step}/{steps} loss {loss.item():.3f} {seconds:.0f} s",
                    flush=True,
                )
    for weight in weights:
        weight.data = weight.data.to(torch.bfloat16)
    model.peft_config["default"].base_model_name_or_path = args.base_name
    model.save_pretrained(args.out)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", required=True, help="directory of the demo base model")
    parser.add_argument("--out", required=True, help="directory to write the adapter to")
    parser.add_argument("--base-name", default="google/gemma-3-270m")
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--lr", type=float, default=8e-4)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    train(parser.parse_args())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
