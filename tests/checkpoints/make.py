"""Train the checkpoints of this directory with the real trainers, on CPU.

`python -m tests.checkpoints.make --work DIR [NAME ...]` makes a virtual environment a trainer, trains a few steps on
rows.jsonl, and keeps what the trainer wrote but the optimizer's state. Downloads packages, never models or data. Not
part of the tests, which read only the results.
"""

import argparse
import datetime
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from .bases import build_base, special_ids
from .families import FAMILIES
from .observed import contradiction, observed_row
from .recipe import Environment, Json, Recipe
from .recipes import ENVIRONMENTS, RECIPES
from .recipes.plain_peft import UNSLOTH_MIRROR

HERE = Path(__file__).parent
PATH_SHOWN = "/data"
LEFT_OUT = re.compile(
    r"(optimizer|scheduler|scaler)\.pt|rng_state.*\.pth|.*\.distcp|.*\.png|debug\.log"
)
PACKAGES = [
    "torch",
    "transformers",
    "tokenizers",
    "peft",
    "trl",
    "datasets",
    "accelerate",
    "ms-swift",
    "llamafactory",
    "axolotl",
    "torchtune",
    "torchao",
]
OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "DO_NOT_TRACK": "1",
}


def make_environment(name: str, environment: Environment, work: Path) -> Path:
    """The virtual environment `name` below `work`, made where it is missing."""
    directory = work / "environments" / name
    if not (directory / "made").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", directory], check=True)
        pip: list[str | Path] = [directory / "bin" / "python", "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, *environment.packages], check=True)
        if environment.loose:
            subprocess.run([*pip, "--no-deps", *environment.loose], check=True)
        for pattern in environment.unlink:
            for file in directory.glob(f"lib/python*/site-packages/{pattern}"):
                file.unlink()
        (directory / "made").touch()
    return directory


def lay_out(work: Path) -> None:
    """Bases under their repositories' names and the training rows, as a user would have them."""
    for name, family in FAMILIES.items():
        build_base(name, work / family.repository)
    build_base("llama3", work / UNSLOTH_MIRROR)
    data = work / "data"
    data.mkdir(exist_ok=True)
    rows = [
        json.loads(line)["messages"]
        for line in (HERE / "rows.jsonl").read_text("utf-8").splitlines()
    ]
    pairs = [{"prompt": row[0]["content"], "completion": " " + row[1]["content"]} for row in rows]
    shutil.copy(HERE / "rows.jsonl", data / "chat.jsonl")
    (data / "pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    # As scripts of earlier years wrote them: one text, with the end token put there by hand.
    texts = [
        {"text": pair["prompt"] + pair["completion"] + FAMILIES["qwen2_5"].eos} for pair in pairs
    ]
    (data / "texts.jsonl").write_text("".join(json.dumps(text) + "\n" for text in texts))
    tags = {
        "role_tag": "role",
        "content_tag": "content",
        "user_tag": "user",
        "assistant_tag": "assistant",
    }
    listed = {
        "file_name": "chat.jsonl",
        "formatting": "sharegpt",
        "columns": {"messages": "messages"},
        "tags": tags,
    }
    (data / "dataset_info.json").write_text(json.dumps({"chat": listed}, indent=2))


def train(recipe: Recipe, environment: Path, work: Path) -> str:
    """Run the recipe's command in `work`; returns what it printed. Raises CalledProcessError where it fails."""
    shutil.rmtree(work / "out" / recipe.name, ignore_errors=True)
    for path, content in recipe.files.items():
        (work / path).write_text(content, encoding="utf-8")
    for script in HERE.glob("with_*.py"):
        shutil.copy(script, work)
    program, *words = recipe.command
    variables = {
        **os.environ,
        **OFFLINE,
        **ENVIRONMENTS[recipe.environment].variables,
        "HOME": str(work / "home"),
        "PATH": f"{environment / 'bin'}:{os.environ['PATH']}",
    }
    done = subprocess.run(
        [environment / "bin" / program, *words],
        cwd=work,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    (work / "logs").mkdir(exist_ok=True)
    (work / "logs" / f"{recipe.name}.log").write_text(done.stdout)
    done.check_returncode()
    return done.stdout


def collect(recipe: Recipe, work: Path, target: Path) -> list[str]:
    """Copy the result into `target`, with the work directory's path replaced; returns the names of files left out."""
    (source,) = work.glob(recipe.result)
    shutil.rmtree(target, ignore_errors=True)
    left_out = []
    for file in sorted(path for path in source.rglob("*") if path.is_file()):
        name = file.relative_to(source)
        if any(part.is_symlink() for part in (file, *file.parents)) or (
            len(name.parts) > 1 and not recipe.whole_run
        ):
            continue
        content = file.read_bytes()
        machine = str(work).encode() in content
        if LEFT_OUT.fullmatch(file.name) or (machine and file.suffix in (".bin", ".pt")):
            left_out.append(str(name))
            continue
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(content.replace(str(work).encode(), PATH_SHOWN.encode()))
    return left_out


def versions(environment: Path) -> dict[str, str]:
    listing = subprocess.run(
        [environment / "bin" / "python", "-m", "pip", "list", "--format=json"],
        check=True,
        capture_output=True,
    )
    found = {
        row["name"].lower().replace("_", "-"): row["version"] for row in json.loads(listing.stdout)
    }
    return {name: found[name] for name in PACKAGES if name in found}


def _added_tokens(file: Path) -> dict[str, int]:
    if not file.exists():
        return {}
    added = json.loads(file.read_text(encoding="utf-8"))["added_tokens"]
    return {token["content"]: token["id"] for token in added}


def make(recipe: Recipe, work: Path) -> None:
    """Train one checkpoint and write it, with PROVENANCE.json, beside this file."""
    environment = make_environment(recipe.environment, ENVIRONMENTS[recipe.environment], work)
    printed = train(recipe, environment, work)
    target = HERE / recipe.name
    left_out = collect(recipe, work, target)
    ids = {**special_ids(recipe.base), **_added_tokens(target / "tokenizer.json")}
    expected: Json = {"loss": "answers", "ends_every_turn": True, **recipe.expected}
    expected["trained_end_ids"] = [ids[token] for token in expected["trained_end"]]
    row = observed_row(printed)
    if row is not None and (wrong := contradiction(expected, recipe.turns, ids, row)):
        raise ValueError(f"{recipe.name}: {wrong}")
    provenance: Json = {
        "trainer": recipe.trainer,
        "versions": versions(environment),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "synthetic": recipe.synthetic or False,
        "base": recipe.base,
        "command": " ".join(recipe.command),
        "configuration": dict(recipe.files),
        "expected": expected,
        "first_row": row,
        "left_out": left_out,
        "notes": list(recipe.notes),
    }
    text = json.dumps(provenance, indent=2, ensure_ascii=False).replace(str(work), PATH_SHOWN)
    (target / "PROVENANCE.json").write_text(text + "\n", encoding="utf-8")


def main() -> None:
    """Make the named checkpoints, or all."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument(
        "--work", type=Path, required=True, help="scratch directory, several GB an environment"
    )
    parser.add_argument("names", nargs="*", default=list(RECIPES), metavar="NAME")
    args = parser.parse_args()
    work = args.work.resolve()
    (work / "home").mkdir(parents=True, exist_ok=True)
    lay_out(work)
    for name in args.names:
        print(name, flush=True)
        make(RECIPES[name], work)


if __name__ == "__main__":
    main()
