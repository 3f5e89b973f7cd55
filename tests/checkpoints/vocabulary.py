"""Tiny vocabularies with real token names: a few hundred byte pairs learned from rows.jsonl.

Merges are learned here, in plain Python, and not by the tokenizers library, so that every machine and every release
makes the same ids: the committed checkpoints hold them. Knows the three shapes of tokenizer.json that the families use.
"""

import base64
import json
import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

ROWS = Path(__file__).parent / "rows.jsonl"
MERGES = 160
# The words of templates, so that a rendered conversation stays short.
TEMPLATE_WORDS = "system user assistant model You are a helpful assistant. Human: Assistant: Instruction: Response: "
WORD = re.compile(r" ?[A-Za-z]+|\n+|[^A-Za-z\n]")

Pair = tuple[str, str]
Json = dict[str, Any]


def corpus() -> str:
    """Text the merges are learned from: the training rows and the words of templates."""
    rows = [json.loads(line) for line in ROWS.read_text(encoding="utf-8").splitlines()]
    said = [message["content"] for row in rows for message in row["messages"]]
    return "\n".join([*said, TEMPLATE_WORDS * 4, "\n\n### " * 4])


def byte_letters() -> list[str]:
    """The 256 letters that stand for bytes 0..255 in byte-level vocabularies (GPT-2's mapping)."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    letters, spare = [], 0x100
    for byte in range(256):
        letters.append(chr(byte if byte in printable else spare))
        spare += byte not in printable
    return letters


def learn_merges(words: Sequence[str], count: int = MERGES) -> list[Pair]:
    """The `count` most frequent pairs, found one after the other; ties go to the pair first in code point order."""
    pieces = {word: list(word) for word in words}
    frequency = Counter(words)
    merges: list[Pair] = []
    for _ in range(count):
        pairs: Counter[Pair] = Counter()
        for word, parts in pieces.items():
            for pair in pairwise(parts):
                pairs[pair] += frequency[word]
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        for parts in pieces.values():
            _join(parts, best)
    return merges


def _join(parts: list[str], pair: Pair) -> None:
    at = 0
    while at < len(parts) - 1:
        if (parts[at], parts[at + 1]) == pair:
            parts[at : at + 2] = ["".join(pair)]
        at += 1


def byte_level_words(text: str) -> list[str]:
    """The words of `text`, each spelled in byte letters."""
    letters = byte_letters()
    return ["".join(letters[byte] for byte in word.encode()) for word in WORD.findall(text)]


def marked_words(text: str) -> list[str]:
    """The words of `text` as SentencePiece vocabularies spell them: a leading space is U+2581."""
    return [word.replace(" ", "\u2581") for word in WORD.findall(text)]


def added_token(token_id: int, content: str, *, special: bool) -> Json:
    """One entry of tokenizer.json's `added_tokens`; nothing is stripped or normalised around it."""
    return {
        "id": token_id,
        "content": content,
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": special,
    }


def tiktoken_model(vocabulary: Sequence[str]) -> str:
    """A byte-level vocabulary as tiktoken's file, base64 and rank a line: what Llama 3 ships beside tokenizer.json."""
    byte_of = {letter: byte for byte, letter in enumerate(byte_letters())}
    spelled = (bytes(byte_of[letter] for letter in token) for token in vocabulary)
    lines = (f"{base64.b64encode(token).decode()} {rank}" for rank, token in enumerate(spelled))
    return "\n".join(lines)


def tokenizer_json(
    vocabulary: Sequence[str], merges: Sequence[Pair], added: Sequence[Json], parts: Json
) -> Json:
    """A tokenizer.json around a BPE model; `parts` are the family's normalizer, pre_tokenizer ... and model fields."""
    parts = dict(parts)
    model = {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": False,
        "ignore_merges": False,
        **parts.pop("model", {}),
        "vocab": {token: number for number, token in enumerate(vocabulary)},
        "merges": [list(pair) for pair in merges],
    }
    empty = dict.fromkeys(("normalizer", "pre_tokenizer", "post_processor", "decoder"))
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": list(added),
        **empty,
        **parts,
        "model": model,
    }


def byte_level(*, regex: str | None, digits: bool = False) -> Json:
    """Pre-tokenizer and decoder of a byte-level family; `regex` None means GPT-2's own splitting."""
    level = {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": False,
        "use_regex": regex is None,
    }
    before: list[Json] = [{"type": "Digits", "individual_digits": True}] if digits else []
    if regex is not None:
        split = {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated"}
        before = [*before, {**split, "invert": False}]
    return {
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [*before, level]},
        "decoder": {**level, "use_regex": True},
    }


def begin_with(token: str, token_id: int) -> Json:
    """Post-processor that puts `token` before a text."""
    single = [
        {"SpecialToken": {"id": token, "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}},
    ]
    second = [
        {"SpecialToken": {"id": token, "type_id": 1}},
        {"Sequence": {"id": "B", "type_id": 1}},
    ]
    return {
        "type": "TemplateProcessing",
        "single": single,
        "pair": [*single, *second],
        "special_tokens": {token: {"id": token, "ids": [token_id], "tokens": [token]}},
    }
