"""What a checkpoint is made from: a trainer's packages, the command a user would type, and what is known of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

STEPS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Packages of one trainer, installed in a virtual environment of its own.

    loose: installed after `packages` without their dependencies, where those ask for a GPU. `unlink`: files below
    site-packages to remove, extensions built for CUDA's torch that the trainer imports and, for text, never calls.
    """

    packages: tuple[str, ...]
    loose: tuple[str, ...] = ()
    unlink: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One checkpoint.

    command: run inside the environment, in the work directory; its first word is a program of the environment.
    files: configuration files by their path in the work directory. `result`: pattern of the directory to keep.
    expected: what recovery must find (README.md names the fields). `turns`: answers in the first row of its data.
    whole_run: keep the checkpoints inside `result` too. `synthetic`: why it was not the trainer itself that ran.
    """

    name: str
    environment: str
    trainer: str
    base: str
    command: tuple[str, ...]
    result: str
    expected: Json
    files: Mapping[str, str] = field(default_factory=dict)
    turns: int = 2
    whole_run: bool = False
    notes: tuple[str, ...] = ()
    synthetic: str | None = None
