"""One parser under libFuzzer, by atheris: `python -m tests.fuzz.target NAME [libFuzzer's arguments]`, in the fuzzer's environment."""

import random
import sys
import tempfile
from pathlib import Path

import atheris  # type: ignore[import-untyped]  # untyped, and in the environment of its own only

with atheris.instrument_imports(include=["adapters", "server"]):
    from .parsers import feed

from . import corpus
from .json_mutator import changed


def main() -> None:
    """Never returns: libFuzzer ends the process."""
    name = sys.argv.pop(1)
    directory = Path(tempfile.mkdtemp(prefix="fuzz-"))
    words = corpus.words(name)

    def one_input(data: bytes) -> None:
        feed(name, data, directory)

    def mutator(data: bytes, max_size: int, seed: int) -> bytes:
        rng = random.Random(seed)
        made = changed(name, data, words, rng) if rng.getrandbits(1) else None
        if made is None or len(made) > max_size:
            made = atheris.Mutate(data, max_size)
        return made

    atheris.Setup(sys.argv, one_input, custom_mutator=mutator)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
