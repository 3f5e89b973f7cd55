"""How many objects and lists a request body may have: a few bytes of JSON each, and up to a kilobyte once a model is made of it."""

from typing import Any

from ..errors import InvalidRequest

# Some 16 for each of the most messages.
MAX_OBJECTS = 1 << 16


def refuse_many_objects(raw: bytes, data: dict[str, Any]) -> None:
    """Refuse `data`, which `raw` was parsed into, where it has too many.

    Raises:
        InvalidRequest: it has; `param` is the field in which there are most.
    """
    # Texts have brackets too, so this is no count, only a reason to count.
    if raw.count(b"{") + raw.count(b"[") <= MAX_OBJECTS:
        return
    numbers = {name: _num_objects(value) for name, value in data.items()}
    if sum(numbers.values()) >= MAX_OBJECTS:
        largest = max(numbers, key=lambda name: numbers[name])[:200]
        raise InvalidRequest(
            f"{largest}: a request has at most {MAX_OBJECTS:,} objects and lists, found {sum(numbers.values()) + 1:,}",
            param=largest,
            code="too_many_objects",
        )


def _num_objects(value: Any) -> int:
    """The objects and lists in `value`, itself included."""
    number, left = 0, [value]
    while left:
        node = left.pop()
        if isinstance(node, dict):
            number += 1
            left += [inner for inner in node.values() if isinstance(inner, dict | list)]
        elif isinstance(node, list):
            number += 1
            left += [inner for inner in node if isinstance(inner, dict | list)]
    return number
