"""Make the demo's questions and answers from the docstrings of the installed standard library.

`python -m tests.demo.make_data` writes train.jsonl and heldout.jsonl beside this file. Modules, not pairs, are split,
so no held-out question has a sibling in the training data. Both files are committed: another Python patch release
words some docstrings differently.
"""

import hashlib
import importlib
import inspect
import json
import pkgutil
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).parent
# Importing these opens a browser, prints a poem, or needs a display.
SKIPPED = {
    "antigravity",
    "this",
    "idlelib",
    "tkinter",
    "turtle",
    "turtledemo",
    "test",
    "lib2to3",
    "ntpath",
    "nt",
}
# Where the people who ask look for it, not where CPython defines it.
PUBLIC_NAMES = {"posix": "os", "posixpath": "os.path", "genericpath": "os.path"}
MIN_CHARS, MAX_CHARS = 24, 220
HELDOUT_SHARE = 0.2
SIGNATURE = re.compile(r"^[\w.]+\(.*?\)\s*(->\s*[\w\[\], .|]+)?\s*(--|:)?\s*", re.DOTALL)
SENTENCE_END = re.compile(r"(?<=[a-z0-9)\]'\"`])\.(?=\s+[A-Z]|$)")


def modules() -> Iterator[ModuleType]:
    """The importable public modules of the standard library, packages walked one level deep."""
    for name in sorted(sys.stdlib_module_names - SKIPPED):
        if name.startswith("_"):
            continue
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        yield module
        for child in pkgutil.iter_modules(getattr(module, "__path__", [])):
            if child.name.startswith("_") or child.name in {"tests", "test", "__main__"}:
                continue
            try:
                yield importlib.import_module(f"{name}.{child.name}")
            except (ImportError, SystemExit):
                continue


def first_sentences(docstring: str | None) -> str | None:
    """One or two sentences of a docstring's first paragraph, or None where it is no prose."""
    if not docstring:
        return None
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(docstring))
    text = ""
    for paragraph in paragraphs[:2]:
        text = SIGNATURE.sub("", " ".join(paragraph.split()), count=1)
        if text:
            break
    ends = [match.end() for match in SENTENCE_END.finditer(text)]
    fitting = [end for end in ends[:2] if end <= MAX_CHARS]
    if not fitting:
        return None
    answer = text[: fitting[-1]].strip()
    if len(answer) < MIN_CHARS or not answer[0].isupper() or not answer.isprintable():
        return None
    return None if ">>>" in answer or "::" in answer else answer


def members(module: ModuleType) -> Iterator[tuple[str, str]]:
    """(question, answer) for the module, its functions, its classes and their methods."""
    defined_in = module.__name__
    name = PUBLIC_NAMES.get(defined_in, defined_in)
    if answer := first_sentences(module.__doc__):
        yield f"What is the {name} module for?", answer
    for key, value in sorted(vars(module).items()):
        if key.startswith("_") or getattr(value, "__module__", None) != defined_in:
            continue
        if inspect.isclass(value):
            if answer := first_sentences(value.__doc__):
                yield f"What is {name}.{key}?", answer
            for attr, member in sorted(vars(value).items()):
                if attr.startswith("_") or not (inspect.isroutine(member)):
                    continue
                if answer := first_sentences(member.__doc__):
                    yield f"What does {name}.{key}.{attr} do?", answer
        elif inspect.isroutine(value) and (answer := first_sentences(value.__doc__)):
            yield f"What does {name}.{key} do?", answer


def is_heldout(module_name: str) -> bool:
    """Split by top-level module name, stable over machines and runs."""
    digest = hashlib.sha256(module_name.split(".")[0].encode()).digest()
    return digest[0] / 256 < HELDOUT_SHARE


def main() -> int:
    warnings.simplefilter("ignore")
    parts: dict[str, list[dict[str, object]]] = {"train": [], "heldout": []}
    seen: set[str] = set()
    for module in modules():
        name = PUBLIC_NAMES.get(module.__name__, module.__name__)
        for question, answer in members(module):
            if answer in seen:  # the same sentence often stands in a base class and its children
                continue
            seen.add(answer)
            messages = [
                {"role": "user", "content": question},
                {"role": "assistant", "content": answer},
            ]
            parts["heldout" if is_heldout(name) else "train"].append({"messages": messages})
    for part, rows in parts.items():
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (HERE / f"{part}.jsonl").write_text(lines, encoding="utf-8")
        print(f"{part}: {len(rows)} pairs")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
