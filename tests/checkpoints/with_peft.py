"""Train with transformers' Trainer and PEFT, as many home-made scripts do: one text a row, every token a label.

Runs inside the trainer's environment: `python with_peft.py SETTINGS.json`. Settings: `model`, `output`, `text` (a format
with {prompt} and {completion}; `{eos}` where the script appends it), `lora` (fields of LoraConfig; tokens in
`trainable_token_indices` by name), `training` (fields of TrainingArguments), perhaps `renamed`. The collator is
DataCollatorForLanguageModeling and pad is EOS where the tokenizer has no pad token, so EOS is masked out of the loss
(huggingface/transformers#23530).
"""

import json
import sys
from pathlib import Path
from typing import Any

from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DataCollatorForLanguageModeling,
    PreTrainedTokenizerFast,
    Trainer,
    TrainingArguments,
)


def renamed(tokenizer: Any, names: dict[str, str], **special: str) -> Any:
    """The tokenizer with tokens under other names and the same ids, as Unsloth's map_eos_token leaves it."""
    text = tokenizer.backend_tokenizer.to_str()
    for old, new in names.items():
        text = text.replace(old, new)
    build: Any = PreTrainedTokenizerFast
    return build(tokenizer_object=Tokenizer.from_str(text), **special)


def main() -> None:
    settings = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    tokenizer = AutoTokenizer.from_pretrained(settings["model"])
    if "renamed" in settings:
        tokenizer = renamed(tokenizer, **settings["renamed"])
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    lora = dict(settings["lora"])
    if "trainable_token_indices" in lora:
        lora["trainable_token_indices"] = {
            module: tokenizer.convert_tokens_to_ids(tokens)
            for module, tokens in lora["trainable_token_indices"].items()
        }
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(settings["model"]), LoraConfig(**lora)
    )
    lines = Path("data/pairs.jsonl").read_text(encoding="utf-8").splitlines()
    pairs = [{name: text.strip() for name, text in json.loads(line).items()} for line in lines]
    texts = [settings["text"].format(**pair, eos=tokenizer.eos_token) for pair in pairs]
    rows = [tokenizer(text) for text in texts]
    collator = DataCollatorForLanguageModeling(tokenizer, mlm=False)
    batch = collator([rows[0]])
    print("first row ids:", batch["input_ids"][0].tolist())
    print("first row labels:", batch["labels"][0].tolist())
    arguments = TrainingArguments(output_dir=settings["output"], **settings["training"])
    Trainer(model=model, args=arguments, train_dataset=rows, data_collator=collator).train()
    model.save_pretrained(settings["output"])
    tokenizer.save_pretrained(settings["output"])


if __name__ == "__main__":
    main()
