"""What is fuzzed: three parsers of untrusted bytes, the errors each may raise, and what an input may cost.

Imports nothing that the fuzzer's own environment (requirements.lock) lacks.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from adapters.chat_profile import PROFILE_FILE, read_profile
from adapters.checkpoint import CONFIG_FILE, WEIGHTS_FILE, read_checkpoint
from adapters.errors import CheckpointError, ProfileError
from adapters.weights.lora_tensors import read_lora
from server.errors import InvalidRequest
from server.schema.request_body import parse_body
from tests.server.request_kinds import REQUESTS

MAX_CPU_S = 1.0
# The first byte of a checkpoint's input: the weights file as it is, or its header, to which the length is added.
AS_IS, WITH_LENGTH = 0, 1


class TooSlow(Exception):
    """One input took more than MAX_CPU_S of processor time."""


def checkpoint_input(config: bytes, weights: bytes, how: int = AS_IS) -> bytes:
    """The two files of a checkpoint as one input."""
    return bytes([how]) + len(config).to_bytes(2, "little") + config + weights


def split_checkpoint_input(data: bytes) -> tuple[int, bytes, bytes]:
    """How the weights are meant, the config, the weights."""
    end = 3 + int.from_bytes(data[1:3], "little")
    return (data[0] % 2 if data else AS_IS), data[3:end], data[end:]


def read_checkpoint_input(data: bytes, directory: Path) -> None:
    """`data` as an adapter directory: read, and every rank and alpha asked for, as a conversion does."""
    how, config, weights = split_checkpoint_input(data)
    if how == WITH_LENGTH:
        weights = (weights.rfind(b"}") + 1).to_bytes(8, "little") + weights
    (directory / CONFIG_FILE).write_bytes(config)
    (directory / WEIGHTS_FILE).write_bytes(weights)
    try:
        adapter = read_lora(read_checkpoint(directory))
        for module in adapter.modules[:100]:
            adapter.rank(module)
            adapter.alpha(module)
    except CheckpointError as exc:
        _check_text(str(exc))


def read_profile_input(data: bytes, directory: Path) -> None:
    """`data` as an endturn.json; what is accepted is written as JSON and read again."""
    (directory / PROFILE_FILE).write_bytes(data)
    try:
        profile = read_profile(directory)
        assert profile is not None
    except ProfileError as exc:
        _check_text(str(exc))
        return
    assert type(profile).model_validate_json(profile.model_dump_json()) == profile


def read_request_input(data: bytes, directory: Path) -> None:
    """`data` as a body of the request that its first byte names, unknown fields refused where that byte is odd."""
    del directory
    kind = REQUESTS[(data[0] >> 1) % len(REQUESTS)] if data else REQUESTS[0]
    try:
        parse_body(data[1:], kind, unknown_fields=not (data and data[0] & 1))
    except InvalidRequest as exc:
        _check_text(str(exc))
        exc.body()


def _check_text(text: str) -> None:
    assert text
    assert len(text) < 10_000
    text.encode()


Parser = Callable[[bytes, Path], None]
PARSERS: Mapping[str, Parser] = {
    "checkpoint": read_checkpoint_input,
    "profile": read_profile_input,
    "request": read_request_input,
}


def feed(name: str, data: bytes, directory: Path) -> float:
    """Feed one input; the processor seconds it took.

    Raises:
        TooSlow: over MAX_CPU_S. Whatever else comes out is a finding too.
    """
    started_s = time.process_time()
    PARSERS[name](data, directory)
    taken_s = time.process_time() - started_s
    if taken_s > MAX_CPU_S:
        raise TooSlow(f"{name}: {taken_s:.1f} s for {len(data):,} bytes")
    return taken_s
