"""Print the first row as torchtune makes it, then train with its command line.

Runs inside the trainer's environment: `python with_torchtune.py CONFIG.yaml`.
"""

import subprocess
import sys

from omegaconf import OmegaConf
from torchtune import config as torchtune_config


def main() -> None:
    file = sys.argv[1]
    config = OmegaConf.load(file)
    tokenizer = torchtune_config.instantiate(config.tokenizer)
    row = torchtune_config.instantiate(config.dataset, tokenizer)[0]
    print("first row ids:", [int(token) for token in row["tokens"]])
    print("first row labels:", [int(label) for label in row["labels"]])
    subprocess.run(["tune", "run", "lora_finetune_single_device", "--config", file], check=True)


if __name__ == "__main__":
    main()
