"""The fuzzer's parsers in the gate: every seed, and a few hundred changes to it made with a fixed seed. No atheris needed."""

import random
from pathlib import Path

import pytest

from adapters.checkpoint import read_checkpoint
from tests.audit.advisories import locked

from . import corpus
from .json_mutator import changed
from .parsers import AS_IS, PARSERS, checkpoint_input, feed, split_checkpoint_input

NUM_CHANGES = 600
ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("name", PARSERS)
def test_every_seed_is_taken(name: str, tmp_path: Path) -> None:
    """Seeds that were refused at the door would leave the parser behind it without any fuzzing."""
    seeds = corpus.seeds(name)
    assert len(seeds) > 10
    for seed in seeds:
        PARSERS[name](seed, tmp_path)


def test_the_seeds_of_checkpoints_are_checkpoints(tmp_path: Path) -> None:
    seeds = [seed for seed in corpus.seeds("checkpoint") if seed[0] == AS_IS]
    for seed in seeds:
        how, config, weights = split_checkpoint_input(seed)
        assert checkpoint_input(config, weights, how) == seed
        feed("checkpoint", seed, tmp_path)
        assert read_checkpoint(tmp_path).tensors


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", PARSERS)
def test_changed_seeds_bring_out_declared_errors_alone(name: str, tmp_path: Path) -> None:
    rng = random.Random(20261124)
    seeds, words = corpus.seeds(name), corpus.words(name)
    num_json = 0
    for _ in range(NUM_CHANGES):
        data = rng.choice(seeds)
        made = changed(name, data, words, rng)
        num_json += made is not None
        PARSERS[name](_with_noise(data, rng) if made is None else made, tmp_path)
        PARSERS[name](_with_noise(data, rng), tmp_path)
    assert num_json > NUM_CHANGES / 2


def _with_noise(data: bytes, rng: random.Random) -> bytes:
    """Some bytes changed, some left out, some twice."""
    noisy = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(len(noisy))
        noisy[at : at + rng.randint(0, 4)] = rng.randbytes(rng.randint(0, 4))
    return bytes(noisy[: rng.randint(1, len(noisy))] if rng.random() < 0.2 else noisy)


@pytest.mark.parametrize("name", PARSERS)
def test_what_begins_fuzzing_is_written(name: str, tmp_path: Path) -> None:
    corpus.write(name, tmp_path)
    assert len(list((tmp_path / "corpus").iterdir())) > 10
    words = (tmp_path / "words").read_text().splitlines()
    assert len(words) > 20
    assert all(word.startswith('"') and word.endswith('"') for word in words)


def test_the_fuzzer_runs_on_the_products_versions() -> None:
    product = dict(locked([ROOT / "requirements-cpu.lock"]))
    fuzzer = dict(locked([Path(__file__).parent / "requirements.lock"]))
    del fuzzer["atheris"]
    assert fuzzer == {name: product[name] for name in fuzzer}
