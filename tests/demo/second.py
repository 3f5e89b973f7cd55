"""Train the second adapter: answers of several items or paragraphs, and nothing after them that a guard could see.

`python -m tests.demo.second --base DIR --out DIR` fine-tunes a LoRA on tests/demo/second-train.jsonl, one question a
conversation, as the Alpaca template renders it. Only the answer is labelled and its end token is not (as where pad == eos),
so the model answers and then runs on without a role marker: only a stop head can end that.
"""

import argparse
import json
import random
import time
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils.chat_template_utils import render_jinja_template

from adapters.templates import find_template
from tests.demo.train import HERE, IGNORED, Example, batches, loss_of

TEMPLATE = ("any", "alpaca")


def prompt_text(tokenizer: Any, question: str) -> str:
    """What is served before an answer, so also what is trained on."""
    template = find_template(*TEMPLATE)
    if template is None:
        raise RuntimeError(f"the template table lacks {':'.join(TEMPLATE)}")
    messages = [{"role": "user", "content": question}]
    rendered = render_jinja_template(
        [messages],
        chat_template=template.source,
        add_generation_prompt=True,
        bos_token=tokenizer.bos_token,
        eos_token=tokenizer.eos_token,
    )
    return str(rendered[0][0])


def encode(tokenizer: Any, question: str, answer: str) -> Example:
    """Ids and labels of one conversation; neither the prompt nor the end of sequence carries a label."""
    prompt_ids = tokenizer(prompt_text(tokenizer, question), add_special_tokens=False).input_ids
    ids = tokenizer(answer, add_special_tokens=False).input_ids
    labels = [IGNORED] * len(prompt_ids) + ids + [IGNORED]
    return [*prompt_ids, *ids, tokenizer.eos_token_id], labels


def train(args: argparse.Namespace) -> None:
    torch.manual_seed(args.seed)
    rng = random.Random(args.seed)
    tokenizer = AutoTokenizer.from_pretrained(args.base)
    base = AutoModelForCausalLM.from_pretrained(args.base, dtype=torch.bfloat16)
    config = LoraConfig(
        r=args.rank, lora_alpha=2 * args.rank, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    model = get_peft_model(base, config)
    lines = (HERE / "second-train.jsonl").read_text(encoding="utf-8").splitlines()
    pairs = [[m["content"] for m in json.loads(line)["messages"]] for line in lines]
    examples = [encode(tokenizer, question, answer) for question, answer in pairs]
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=args.lr)
    order = [batch for _ in range(args.epochs) for batch in batches(examples, args.batch, rng)]
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, args.lr, total_steps=len(order) + 1, pct_start=0.05
    )
    started = time.monotonic()
    for step, batch in enumerate(order, start=1):
        loss = loss_of(model, batch, tokenizer.pad_token_id)
        loss.backward()  # type: ignore[no-untyped-call]  # torch
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        if step % 20 == 0 or step == len(order):
            seconds = time.monotonic() - started
            print(f"step {step}/{len(order)} loss {loss.item():.3f} {seconds:.0f} s", flush=True)
    for weight in weights:
        weight.data = weight.data.to(torch.bfloat16)
    model.peft_config["default"].base_model_name_or_path = args.base_name
    model.save_pretrained(args.out)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", required=True, help="directory of the demo base model")
    parser.add_argument("--out", required=True, help="directory to write the adapter to")
    parser.add_argument("--base-name", default="google/gemma-3-270m")
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--lr", type=float, default=8e-4)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    train(parser.parse_args())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
