"""What real trainers wrote is read back: trainer, template, system prompt, end tokens and causes, as the provenance says."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from adapters.inspection import BaseModel, Inspection, inspect_adapter, read_base
from tests.checkpoints.bases import build_base

CHECKPOINTS = Path(__file__).parents[1] / "checkpoints"
NAMES = sorted(path.parent.name for path in CHECKPOINTS.glob("*/PROVENANCE.json"))


Told = tuple[Inspection, dict[str, Any]]


@pytest.fixture(scope="module")
def look_at(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Told]:
    """Inspects a checkpoint once; returns what was found, and its provenance."""
    root = tmp_path_factory.mktemp("bases")

    @cache
    def base(name: str) -> BaseModel:
        return read_base(build_base(name, root / name))

    @cache
    def inspected(name: str) -> Told:
        told = json.loads((CHECKPOINTS / name / "PROVENANCE.json").read_text())
        return inspect_adapter(CHECKPOINTS / name, base(told["base"])), told

    return inspected


# That release of TRL wrote nothing of its own beside PEFT's files.
UNMARKED = {"trl_masked_eos"}
# No file says which template the texts were made with, and the base has none.
WITHOUT_TEMPLATE = {"peft_dora", "peft_masked_eos", "peft_pissa"}


@pytest.mark.parametrize("name", NAMES)
def test_trainer_is_recognised(name: str, look_at: Callable[[str], Told]) -> None:
    inspection, told = look_at(name)
    assert inspection.trainer.name == ("PEFT" if name in UNMARKED else told["trainer"])


@pytest.mark.parametrize("name", sorted(set(NAMES) - WITHOUT_TEMPLATE))
def test_end_tokens_are_those_that_were_trained(name: str, look_at: Callable[[str], Told]) -> None:
    inspection, told = look_at(name)
    ids = [entry.id for entry in inspection.end_of_turn]
    trained = told["expected"]["trained_end_ids"]
    assert set(trained) <= set(ids)
    if inspection.template is not None and inspection.template.table is not None:
        assert not trained or ids[0] == trained[0], "the trained end comes first"


@pytest.mark.parametrize("name", sorted(set(NAMES) - WITHOUT_TEMPLATE))
def test_template_and_system_prompt_are_recovered(
    name: str, look_at: Callable[[str], Told]
) -> None:
    inspection, told = look_at(name)
    template, expected = inspection.template, told["expected"]
    assert template is not None
    if template.table is not None:
        assert template.name == expected["template"]
        assert template.system == expected["system"]
    else:
        assert template.confidence in ("derived", "guessed")
    every_turn = template.turns.ends_every_turn and inspection.trainer.leaves_ends_out is None
    assert every_turn == expected["ends_every_turn"]


@pytest.mark.parametrize("name", sorted(WITHOUT_TEMPLATE))
def test_unknown_template_is_asked_for(name: str, look_at: Callable[[str], Told]) -> None:
    inspection, _ = look_at(name)
    refused = {finding.code: finding.action for finding in inspection.findings}
    assert inspection.status == "refused"
    assert "--template" in refused["C1"]


@pytest.mark.parametrize("name", NAMES)
def test_causes_are_found(name: str, look_at: Callable[[str], Told]) -> None:
    inspection, told = look_at(name)
    expected = set(told["expected"]["causes"])
    if inspection.template is None:
        expected -= {"A1"}  # which token ends an answer is not known
    assert expected <= {finding.code for finding in inspection.findings}
