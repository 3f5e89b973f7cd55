"""From a directory and a file to a head, on a random model whose head cannot be any good."""

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from adapters.answer_logprobs import ModelOptions
from adapters.calibration import Calibration, CalibrationOptions, calibrate
from adapters.conversations import ConversationData
from adapters.errors import DataError, ModelFilesError, ProfileError
from adapters.tokenizer_files import TOKENIZER_FILE

from .tiny_models import VOCABULARY, build_adapter, build_base, write_json

TEMPLATE = (
    "{% for m in messages %}{{ m.content }} {% endfor %}{% if add_generation_prompt %}: {% endif %}"
)
OPTIONS = CalibrationOptions(model=ModelOptions(dtype="float32"), max_answers=60)


def write_tokenizer(path: Path) -> None:
    words = {f"w{i}": i for i in range(VOCABULARY - 2)} | {".": VOCABULARY - 2, ":": VOCABULARY - 1}
    tokenizer = Tokenizer(WordLevel(words, unk_token="w0"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(path / TOKENIZER_FILE))


def profile(**fields: object) -> dict[str, object]:
    base = {"name": "tiny"}
    return {"format": 1, "created_by": "test", "base": base, "end_of_turn": [], **fields}


def write_data(path: Path, number: int) -> Path:
    rows = [
        {"instruction": f"w{i}", "output": " ".join(f"w{(i * k) % 90}" for k in range(1, 8)) + " ."}
        for i in range(1, number + 1)
    ]
    file = path / "data.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


@pytest.fixture
def base(tmp_path: Path) -> Path:
    path = build_base(tmp_path / "base")
    write_tokenizer(path)
    return path


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    path = build_adapter(tmp_path / "adapter")
    write_json(path / "endturn.json", profile())
    (path / "chat_template.jinja").write_text(TEMPLATE)
    return path


def num_answers(found: Calibration) -> int:
    assert isinstance(found.data, ConversationData)
    return found.data.num_answers


def test_an_adapter_is_calibrated_from_its_directory_its_base_and_a_file(
    tmp_path: Path, base: Path, adapter: Path
) -> None:
    data = write_data(tmp_path, 80)
    seen: list[tuple[int, int]] = []
    found = calibrate(adapter, base, data, OPTIONS, lambda done, of: seen.append((done, of)))
    assert seen == [(i, 60) for i in range(1, 61)]
    assert (found.data.num_read, num_answers(found), found.skipped) == (80, 60, ())
    fit = found.outcome.record.fit
    assert fit is not None
    assert (fit.answers, fit.tokens, fit.data) == (60, 480, found.data.sha256)
    assert calibrate(adapter, base, data, OPTIONS) == found


def test_the_adapters_own_tokenizer_is_used_where_the_profile_says_so(
    tmp_path: Path, base: Path, adapter: Path
) -> None:
    (base / TOKENIZER_FILE).rename(adapter / TOKENIZER_FILE)
    data = write_data(tmp_path, 60)
    with pytest.raises(ModelFilesError, match=r"has no tokenizer\.json"):
        calibrate(adapter, base, data, OPTIONS)
    write_json(adapter / "endturn.json", profile(tokenizer={}))
    assert num_answers(calibrate(adapter, base, data, OPTIONS)) == 60


def test_a_merged_adapter_is_its_own_base(tmp_path: Path, base: Path, adapter: Path) -> None:
    for file in (adapter / "endturn.json", adapter / "chat_template.jinja"):
        file.rename(base / file.name)
    write_json(base / "endturn.json", profile(weights={"path": "merge"}, tokenizer={}))
    data = write_data(tmp_path, 60)
    assert num_answers(calibrate(base, tmp_path / "nowhere", data, OPTIONS)) == 60


def test_too_few_answers_are_refused_with_the_reasons(
    tmp_path: Path, base: Path, adapter: Path
) -> None:
    with pytest.raises(DataError, match="has 20 answers in 20 conversations to fit on"):
        calibrate(adapter, base, write_data(tmp_path, 20), OPTIONS)
    short = CalibrationOptions(max_tokens=3)
    with pytest.raises(DataError, match=r"has 0 answers .* 60 were left out: 10 tokens, over 3"):
        calibrate(adapter, base, write_data(tmp_path, 60), short)


def test_a_raw_adapter_is_refused(tmp_path: Path, base: Path, adapter: Path) -> None:
    (adapter / "endturn.json").unlink()
    with pytest.raises(ProfileError, match="convert it first"):
        calibrate(adapter, base, write_data(tmp_path, 60), OPTIONS)
