"""Train with TRL's SFTTrainer as its documentation shows it, and print the first row as the trainer sees it.

Runs inside the trainer's environment: `python with_trl.py SETTINGS.json`. Settings: `model`, `data`, `sft` (fields of
SFTConfig), `lora` (fields of LoraConfig).
"""

import json
import sys
from pathlib import Path

from datasets import load_dataset
from peft import LoraConfig
from trl import SFTConfig, SFTTrainer

# What the trainer hands its collator; older releases keep the texts in the rows and drop them there.
TENSORS = {"input_ids", "attention_mask", "completion_mask", "assistant_masks"}


def main() -> None:
    settings = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    trainer = SFTTrainer(
        model=settings["model"],
        args=SFTConfig(**settings["sft"]),
        train_dataset=load_dataset("json", data_files=settings["data"], split="train"),
        peft_config=LoraConfig(**settings["lora"]),
    )
    row = {name: value for name, value in trainer.train_dataset[0].items() if name in TENSORS}
    batch = trainer.data_collator([row])
    print("first row ids:", batch["input_ids"][0].tolist())
    print("first row labels:", batch["labels"][0].tolist())
    trainer.train()
    trainer.save_model()


if __name__ == "__main__":
    main()
