"""Train with Axolotl's command line, then print the first row as it was prepared.

Runs inside the trainer's environment: `python with_axolotl.py CONFIG.yaml`. The configuration names its
`dataset_prepared_path` and `output_dir`.
"""

import subprocess
import sys
from pathlib import Path

import yaml
from datasets import load_from_disk
from transformers import AutoTokenizer

FIRST_QUESTION = "Is water heavier"


def main() -> None:
    file = sys.argv[1]
    config = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
    subprocess.run(["axolotl", "train", file, "--launcher", "python"], check=True)
    tokenizer = AutoTokenizer.from_pretrained(config["output_dir"])
    (state,) = Path(config["dataset_prepared_path"]).glob("*/state.json")
    for row in load_from_disk(str(state.parent)):
        if FIRST_QUESTION in tokenizer.decode(row["input_ids"]):
            print("first row ids:", row["input_ids"])
            print("first row labels:", row["labels"])


if __name__ == "__main__":
    main()
