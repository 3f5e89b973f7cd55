"""Where fuzzing begins: the real files of tests/checkpoints, the demo's profile, the document's example requests; and the words
that their parsers know, as a dictionary for libFuzzer. Written when it is asked for, never committed."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from adapters.chat_profile import PROFILE_FILE, ChatProfile
from adapters.checkpoint import CONFIG_FILE, WEIGHTS_FILE
from server.openapi import examples
from tests.server.request_kinds import REQUESTS

from .parsers import AS_IS, WITH_LENGTH, checkpoint_input

TESTS = Path(__file__).parent.parent
# Weights after the header are only counted; a longer input would only be slower to change.
MAX_SEED_BYTES = 100_000
JSON_WORDS = ("null", "true", "NaN", "-Infinity", "1e400", "[[", "{}", '"\\ud800"', "0.0", '""')
CHECKPOINT_WORDS = (
    *("dtype", "shape", "data_offsets", "__metadata__", "F32", "BF16"),
    *("model.layers.0.q_proj.lora_A.weight", "x.lora_embedding_B.default", "x.base_layer.weight"),
    *("r", "lora_alpha", "peft_type", "LORA", "rank_pattern", "alpha_pattern", "use_rslora"),
)
_EXAMPLES: tuple[Mapping[str, Mapping[str, Any]], ...] = (
    examples.CHAT,
    examples.COMPLETION,
    examples.RESPONSES,
    examples.MESSAGES,
    examples.COUNT,
    examples.TOKENIZE,
    examples.DETOKENIZE,
)


def seeds(name: str) -> list[bytes]:
    """The inputs that fuzzing of this parser begins with."""
    found = {"checkpoint": _checkpoints, "profile": _profiles, "request": _requests}[name]()
    return [seed for seed in found if len(seed) <= MAX_SEED_BYTES]


def words(name: str) -> list[str]:
    """What this parser knows by name."""
    if name == "checkpoint":
        return sorted(CHECKPOINT_WORDS)
    kinds: tuple[type[BaseModel], ...] = (ChatProfile,) if name == "profile" else REQUESTS
    return sorted({field for kind in kinds for field in _fields(kind)})


def write(name: str, directory: Path) -> None:
    """Seeds into `directory`/corpus, the dictionary into `directory`/words."""
    corpus = directory / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for seed in seeds(name):
        (corpus / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
    known = [*JSON_WORDS, *(f'"{word}":' for word in words(name))]
    quoted = (word.replace("\\", "\\\\").replace('"', '\\"') for word in known)
    (directory / "words").write_text("".join(f'"{word}"\n' for word in quoted))


def _checkpoints() -> Iterator[bytes]:
    for weights in sorted((TESTS / "checkpoints").rglob(WEIGHTS_FILE)):
        config = (weights.parent / CONFIG_FILE).read_bytes()
        content = weights.read_bytes()
        header = content[8 : 8 + int.from_bytes(content[:8], "little")]
        yield checkpoint_input(config, content, AS_IS)
        yield checkpoint_input(config, header, WITH_LENGTH)
        yield checkpoint_input(config, b'{"a.lora_A.weight":' + _ONE + b"}\0\0\0\0", WITH_LENGTH)


_ONE = b'{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]}'


def _profiles() -> Iterator[bytes]:
    demo = (TESTS / "demo" / PROFILE_FILE).read_bytes()
    yield demo
    whole = json.loads(demo)
    for field in whole:
        yield json.dumps({"format": 1, "base": {"name": "x"}, field: whole[field]}).encode()


def _requests() -> Iterator[bytes]:
    for number, given in enumerate(_EXAMPLES):
        for fields in given.values():
            for is_strict in (0, 1):
                body = json.dumps({"model": "chat", **fields}).encode()
                yield bytes([number << 1 | is_strict]) + body


def _fields(kind: type[BaseModel]) -> Iterator[str]:
    for name, field in kind.model_fields.items():
        yield field.alias or name
        for part in _models_in(field.annotation):
            yield from _fields(part)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in _models_in(inner)]
