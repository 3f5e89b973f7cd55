"""Train with TRL's SFTTrainer as its documentation shows it, and print the first row as the trainer sees it.

Runs inside the trainer's environment: `python with_trl.py SETTINGS.json`. Settings: `model`, `data`, `sft` (fields of
SFTConfig), `lora` (fields of LoraConfig), and perhaps `eos_appended`, for scripts that write the end token themselves.
"""

import json
import sys
from pathlib import Path

from datasets import load_dataset
from peft import LoraConfig
from trl import SFTConfig, SFTTrainer


def main() -> None:
    settings = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    trainer = SFTTrainer(
        model=settings["model"],
        args=SFTConfig(**settings["sft"]),
        train_dataset=load_dataset("json", data_files=settings["data"], split="train"),
        peft_config=LoraConfig(**settings["lora"]),
    )
    batch = trainer.data_collator([trainer.train_dataset[0]])
    print("first row ids:", batch["input_ids"][0].tolist())
    print("first row labels:", batch["labels"][0].tolist())
    trainer.train()
    trainer.save_model()


if __name__ == "__main__":
    main()
