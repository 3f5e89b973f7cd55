"""Make the second adapter's questions and answers: lists of five to twelve items, and explanations in paragraphs.

`python -m tests.demo.make_second_data` writes second-train.jsonl and second-heldout.jsonl beside this file, from the
installed standard library's docstrings, split by module as the demo's are. An answer with several items or paragraphs has
places inside that look like ends: the case a stop head finds hard.
"""

import inspect
import json
import random
import re
import warnings
from collections.abc import Iterator
from types import ModuleType

from tests.demo.make_data import HERE, PUBLIC_NAMES, SIGNATURE, first_sentences, is_heldout, modules

MIN_ITEMS, MAX_ITEMS = 5, 12
MAX_PARAGRAPHS, MAX_ANSWER_CHARS = 3, 1100
NUMBERS = {5: "five", 6: "six", 7: "seven", 8: "eight"}
PROSE = re.compile(r"[A-Z`'\"].{38,430}(?<!e\.g)(?<!i\.e)[.!?)]", re.ASCII)
LIST_STYLES = ("dashes", "numbers")
Pair = tuple[str, str]


def documented(owner: object, defined_in: str) -> list[Pair]:
    """(name, first sentence) of the public functions and classes of a module, or the methods of a class."""
    found = []
    for key, value in sorted(vars(owner).items()):
        is_class_member = inspect.isclass(owner)
        if key.startswith("_") or not (inspect.isroutine(value) or inspect.isclass(value)):
            continue
        if not is_class_member and getattr(value, "__module__", None) != defined_in:
            continue
        doc = value.__doc__
        if isinstance(doc, str) and (sentence := first_sentences(doc)):
            found.append((key, re.split(r"(?<=[a-z)'\"])\. ", sentence)[0].rstrip(".") + "."))
    return found


def as_list(items: list[Pair], style: str) -> str:
    if style == "numbers":
        return "\n".join(f"{i}. {name}: {text}" for i, (name, text) in enumerate(items, 1))
    return "\n".join(f"- {name}: {text}" for name, text in items)


def lists(name: str, what: str, items: list[Pair], rng: random.Random) -> Iterator[Pair]:
    """A list of everything where it is short; where it is long, a list of as many as the question asks for."""
    if len(items) < MIN_ITEMS:
        return
    style = rng.choice(LIST_STYLES)
    words = " as a numbered list" if style == "numbers" else ""
    if len(items) <= MAX_ITEMS:
        yield f"List the {what} of {name} with what they do{words}.", as_list(items, style)
        return
    for _ in range(min(3, len(items) // MAX_ITEMS)):
        number = rng.choice(sorted(NUMBERS))
        some = sorted(rng.sample(items, number))
        question = f"Name {NUMBERS[number]} {what} of {name} and what they do{words}."
        yield question, as_list(some, style)


def paragraphs(docstring: object) -> str | None:
    """The two or three paragraphs of prose that open a docstring, None where it has fewer."""
    if not isinstance(docstring, str):
        return None
    found: list[str] = []
    for block in re.split(r"\n\s*\n", inspect.cleandoc(docstring)):
        text = SIGNATURE.sub("", " ".join(block.split()), count=1)
        if not text and not found:
            continue
        if (
            not PROSE.fullmatch(text)
            or ">>>" in text
            or "::" in text
            or len(found) == MAX_PARAGRAPHS
        ):
            break
        found.append(text)
    answer = "\n\n".join(found)
    return answer if len(found) > 1 and len(answer) <= MAX_ANSWER_CHARS else None


def pairs_of(module: ModuleType, rng: random.Random) -> Iterator[Pair]:
    """All questions about one module."""
    defined_in = module.__name__
    name = PUBLIC_NAMES.get(defined_in, defined_in)
    if answer := paragraphs(module.__doc__):
        yield f"Explain the {name} module.", answer
    yield from lists(
        f"the {name} module", "functions and classes", documented(module, defined_in), rng
    )
    for key, value in sorted(vars(module).items()):
        if key.startswith("_") or getattr(value, "__module__", None) != defined_in:
            continue
        if answer := paragraphs(getattr(value, "__doc__", None)):
            yield f"Explain {name}.{key}.", answer
        if not inspect.isclass(value):
            continue
        yield from lists(f"{name}.{key}", "methods", documented(value, defined_in), rng)
        for attr, member in sorted(vars(value).items()):
            if attr.startswith("_") or not inspect.isroutine(member):
                continue
            if answer := paragraphs(member.__doc__):
                yield f"Explain {name}.{key}.{attr}.", answer


def main() -> int:
    warnings.simplefilter("ignore")
    parts: dict[str, list[dict[str, object]]] = {"second-train": [], "second-heldout": []}
    seen: set[str] = set()
    for module in modules():
        name = PUBLIC_NAMES.get(module.__name__, module.__name__)
        for question, answer in pairs_of(module, random.Random(name)):
            if answer in seen or len(answer) > MAX_ANSWER_CHARS:
                continue
            seen.add(answer)
            messages = [
                {"role": "user", "content": question},
                {"role": "assistant", "content": answer},
            ]
            part = "second-heldout" if is_heldout(name) else "second-train"
            parts[part].append({"messages": messages})
    for part, rows in parts.items():
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (HERE / f"{part}.jsonl").write_text(lines, encoding="utf-8")
        num_lists = sum(
            "\n- " in line or "\\n- " in line or "\\n2. " in line for line in lines.splitlines()
        )
        print(f"{part}: {len(rows)} pairs, {num_lists} of them lists")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
