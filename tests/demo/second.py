"""The second adapter: answers of several items or paragraphs, and nothing after them that a guard could see.

`python -m tests.demo.second train OUT` fine-tunes a LoRA on second-train.jsonl, one question a conversation, as the Alpaca
template renders it. Only the answer is labelled and its end token is not (as where pad == eos), so the model answers and
then runs on without a role marker: only a stop head can end that. It is not committed: it took 45 minutes on two busy cores.

`... measure OUT` converts it with a head fitted on 200 of its training answers, and verifies that on the held-out ones.
`... record OUT` writes what the head is fitted on to second-places.npz, which the tests fit again.
"""

import argparse
import json
import random
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils.chat_template_utils import render_jinja_template

from adapters.templates import find_template
from server.demo import demo_base_model
from server.settings import default_cache_dir
from tests.demo.second_places import record
from tests.demo.train import HERE, IGNORED, Example, batches, loss_of

TEMPLATE = ("any", "alpaca")
TRAIN, HELDOUT = HERE / "second-train.jsonl", HERE / "second-heldout.jsonl"
ENGINE_FLAGS = ("--max-model-len", "1024", "--enforce-eager")


def template_text() -> str:
    template = find_template(*TEMPLATE)
    if template is None:
        raise RuntimeError(f"the template table lacks {':'.join(TEMPLATE)}")
    return template.source


def prompt_text(tokenizer: Any, question: str) -> str:
    """What is served before an answer, so also what is trained on."""
    messages = [{"role": "user", "content": question}]
    rendered = render_jinja_template(
        [messages],
        chat_template=template_text(),
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
    lines = TRAIN.read_text(encoding="utf-8").splitlines()
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


def converted(out: Path) -> Path:
    """Where `measure` puts the converted adapter."""
    return out.with_name(f"{out.name}-chat")


def measure(args: argparse.Namespace) -> None:
    chat = str(converted(args.out))
    endturn("convert", str(args.out), "--base", "demo", "--template", ":".join(TEMPLATE), "-o", chat,
            "--set", "temperature=0", "--set", "max_tokens=256", "--data", str(TRAIN), "--answers", "200", "--force")  # fmt: skip
    report = args.out.with_name(f"{args.out.name}-report.html")
    endturn("verify", chat, "--base", "demo", "--data", str(HELDOUT), "--answers", str(args.answers),
            "--sample", str(args.sample), "--cap", "256", "--report", str(report), "--", *ENGINE_FLAGS)  # fmt: skip


def endturn(*words: str) -> None:
    """Run one command of the product, after printing it."""
    print(f"$ endturn {shlex.join(words)}", flush=True)
    subprocess.run([sys.executable, "-m", "server", *words], check=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    trains = commands.add_parser("train", help="write the adapter to OUT")
    trains.add_argument("--base", type=Path, help="directory of the base; default: the demo's")
    trains.add_argument("--base-name", default="google/gemma-3-270m")
    trains.add_argument("--rank", type=int, default=8)
    trains.add_argument("--lr", type=float, default=8e-4)
    trains.add_argument("--epochs", type=int, default=3)
    trains.add_argument("--batch", type=int, default=8)
    trains.add_argument("--seed", type=int, default=0)
    measures = commands.add_parser("measure", help="convert, calibrate and verify it")
    measures.add_argument("--answers", type=int, default=100)
    measures.add_argument("--sample", type=int, default=6)
    commands.add_parser("record", help="record what its head is fitted on, after measure")
    for command in commands.choices.values():
        command.add_argument("out", type=Path, metavar="OUT", help="directory of the adapter")
    args = parser.parse_args()
    base = demo_base_model(default_cache_dir())
    if args.command == "train":
        args.base = args.base or base
        train(args)
    elif args.command == "measure":
        measure(args)
    else:
        record(base, converted(args.out), template_text(), TRAIN)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
