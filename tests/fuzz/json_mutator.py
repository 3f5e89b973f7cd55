"""Changes to JSON that stay JSON: byte flips hardly ever get past a JSON parser, so half of the inputs are made here."""

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

from .parsers import WITH_LENGTH, checkpoint_input, split_checkpoint_input

Place = tuple[Any, Any]  # a list or dict, and an index or key in it
_VALUES: Sequence[Any] = (
    *(None, True, False, 0, 1, -1, 2**31, 2**63, 2**64, 10**400, 1e308, float("nan")),
    *("", " ", "\ud800", "\0", "\x1b[31m\n", "a" * 300, ".lora_A.weight", "(a+)+$", ".*.*.*x"),
    *([], {}, [[]], [0] * 300, {"a": {}}, ["a"] * 5000),
)


def changed(name: str, data: bytes, words: Sequence[str], rng: random.Random) -> bytes | None:
    """`data` with the JSON in it changed; None where there is none."""
    if name == "profile":
        return mutate(data, words, rng)
    if name == "request":
        made = mutate(data[1:], words, rng)
        return None if made is None else data[:1] + made
    how, config, weights = split_checkpoint_input(data)
    if how == WITH_LENGTH and rng.getrandbits(1):
        end = weights.rfind(b"}") + 1
        header = mutate(weights[:end], words, rng)
        return None if header is None else checkpoint_input(config, header + weights[end:], how)
    made = mutate(config, words, rng)
    return None if made is None or len(made) >> 16 else checkpoint_input(made, weights, how)


def mutate(data: bytes, words: Sequence[str], rng: random.Random) -> bytes | None:
    """`data` with some of its values changed; None where it is no JSON object or list."""
    try:
        value = json.loads(data)
        places = _places(value)
        if not places:
            return None
        for _ in range(rng.randint(1, 3)):
            rng.choice(_CHANGES)(rng.choice(places), words, rng)
        return json.dumps(value, ensure_ascii=bool(rng.getrandbits(1))).encode(
            errors="surrogatepass"
        )
    except (ValueError, RecursionError):
        return None


def _places(value: Any) -> list[Place]:
    found: list[Place] = []
    left = [value]
    while left and len(found) < 2000:
        node = left.pop()
        keys: Any = ()
        if isinstance(node, dict):
            keys = list(node)
        elif isinstance(node, list):
            keys = range(len(node))
        for key in keys:
            found.append((node, key))
            left.append(node[key])
    return found


def _replace(place: Place, words: Sequence[str], rng: random.Random) -> None:
    node, key = place
    if _is_there(place):
        node[key] = rng.choice([*_VALUES, rng.choice(words)])


def _nest(place: Place, words: Sequence[str], rng: random.Random) -> None:
    node, key = place
    if _is_there(place):
        inner = node[key]
        for _ in range(rng.choice([1, 3, 70, 300])):
            inner = [inner] if rng.getrandbits(1) else {rng.choice(words): inner}
        node[key] = inner


def _remove(place: Place, words: Sequence[str], rng: random.Random) -> None:
    del words, rng
    node, key = place
    if _is_there(place):
        del node[key]


def _add(place: Place, words: Sequence[str], rng: random.Random) -> None:
    node = place[0]
    if isinstance(node, list):
        node.extend([rng.choice(_VALUES)] * rng.choice([1, 2, 1000]))
    else:
        node[rng.choice(words)] = rng.choice(_VALUES)


def _is_there(place: Place) -> bool:
    node, key = place
    return key in node if isinstance(node, dict) else key < len(node)


_CHANGES: Sequence[Callable[[Place, Sequence[str], random.Random], None]] = (
    _replace,
    _replace,
    _nest,
    _remove,
    _add,
)
