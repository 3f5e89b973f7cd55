"""The tokenizer in a directory: ids, special tokens, chat template; and what differs from the base's."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from adapters.errors import AdapterError, CheckpointError, ModelFilesError
from adapters.tokenizer_diff import RenamedToken, compare_tokenizers
from adapters.tokenizer_files import TokenizerFiles, read_chat_template, read_tokenizer
from tests.checkpoints.bases import build_base, special_ids

from .raw_adapters import Content, byte_level, tokenizer_files, write

SPECIAL = ("<s>", "</s>", "<|im_end|>")


def read(path: Path, files: Mapping[str, Content] | None = None) -> TokenizerFiles:
    """A byte-level tokenizer and other `files` beside it."""
    byte_level(SPECIAL, ["<tool>"]).save(str(path / "tokenizer.json"))
    write(path, files or {})
    found = read_tokenizer(path, CheckpointError)
    assert found is not None
    return found


def test_ids_special_and_added_tokens(tmp_path: Path) -> None:
    tokenizer = read(tmp_path)
    assert tokenizer.ids["</s>"] == 257
    assert tokenizer.special_ids == {256, 257, 258}
    assert tokenizer.added_ids == {256, 257, 258, 259}
    assert tokenizer.token(259) == "<tool>"
    assert tokenizer.encode("a</s>")[-1:] == [257]


@pytest.mark.parametrize("token_id", [-1, 260, 2**31, 2**32, 10**30])
def test_an_id_out_of_the_vocabulary_is_no_token(tmp_path: Path, token_id: int) -> None:
    assert read(tmp_path).token(token_id) is None


def test_a_directory_without_a_tokenizer_has_none(tmp_path: Path) -> None:
    assert read_tokenizer(tmp_path, CheckpointError) is None


@pytest.mark.parametrize(
    ("config", "eos", "bos", "pad"),
    [
        ({"eos_token": "</s>", "bos_token": "<s>", "pad_token": "</s>"}, "</s>", "<s>", "</s>"),
        ({"eos_token": {"content": "</s>", "special": True}}, "</s>", None, None),
        ({"eos_token": None, "bos_token": ""}, None, None, None),
        ({"eos_token": ["</s>"], "pad_token": 7}, None, None, None),
        ({}, None, None, None),
    ],
)
def test_special_tokens_are_named_in_either_spelling(
    tmp_path: Path, config: dict[str, Any], eos: str | None, bos: str | None, pad: str | None
) -> None:
    tokenizer = read(tmp_path, {"tokenizer_config.json": config})
    assert (tokenizer.eos_token, tokenizer.bos_token, tokenizer.pad_token) == (eos, bos, pad)


def test_transformers_4_names_them_in_a_file_of_their_own(tmp_path: Path) -> None:
    named = {"eos_token": {"content": "</s>"}, "pad_token": "<s>"}
    files: dict[str, Content] = {
        "tokenizer_config.json": {"pad_token": "</s>"},
        "special_tokens_map.json": named,
    }
    tokenizer = read(tmp_path, files)
    assert tokenizer.eos_token_id == 257
    assert tokenizer.pad_token == "</s>"


def test_an_eos_that_is_no_token_has_no_id(tmp_path: Path) -> None:
    assert read(tmp_path, {"tokenizer_config.json": {"eos_token": "<gone>"}}).eos_token_id is None


@pytest.mark.parametrize(("name", "adds"), [("llama3", True), ("gemma3", True), ("qwen2_5", False)])
def test_whether_a_text_begins_with_bos_is_tried(tmp_path: Path, name: str, adds: bool) -> None:
    base = read_tokenizer(build_base(name, tmp_path, weights=False), ModelFilesError)
    assert base is not None
    assert base.adds_bos is adds


def test_truncation_and_padding_of_a_training_script_are_switched_off(tmp_path: Path) -> None:
    tokenizer = byte_level(SPECIAL)
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=64)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    found = read_tokenizer(tmp_path, CheckpointError)
    assert found is not None
    assert len(found.encode("ten letters")) == 11


TEMPLATES: list[tuple[dict[str, Content], str | None]] = [
    ({"chat_template.jinja": "own file"}, "own file"),
    ({"tokenizer_config.json": {"chat_template": "in config"}}, "in config"),
    (
        {"chat_template.jinja": "own file", "tokenizer_config.json": {"chat_template": "x"}},
        "own file",
    ),
    (
        {
            "tokenizer_config.json": {
                "chat_template": [
                    {"name": "tool_use", "template": "tools"},
                    {"name": "default", "template": "the default"},
                ]
            }
        },
        "the default",
    ),
    ({"tokenizer_config.json": {"chat_template": [{"name": "rag", "template": "x"}]}}, None),
    ({"tokenizer_config.json": {"chat_template": []}}, None),
    ({"tokenizer_config.json": {"chat_template": [7, None, {"name": ["x"]}, {}]}}, None),
    ({"tokenizer_config.json": {"chat_template": {"default": "x"}}}, None),
    ({"tokenizer_config.json": {"chat_template": 7}}, None),
    ({}, None),
]


@pytest.mark.parametrize(("files", "template"), TEMPLATES)
def test_the_chat_template_is_its_own_file_or_the_default_of_the_config(
    tmp_path: Path, files: dict[str, Content], template: str | None
) -> None:
    assert read(tmp_path, files).chat_template == template


def test_a_template_without_a_tokenizer_is_found_too(tmp_path: Path) -> None:
    write(tmp_path, {"chat_template.jinja": "x"})
    assert read_chat_template(tmp_path, {}, CheckpointError) == "x"


def test_a_sentencepiece_model_of_a_base_is_converted(tmp_path: Path) -> None:
    sentencepiece = pytest.importorskip("sentencepiece")
    text = tmp_path / "text"
    text.write_text("hello world, this is a text of a few words\n" * 20)
    sentencepiece.SentencePieceTrainer.train(
        input=str(text),
        model_prefix=str(tmp_path / "tokenizer"),
        vocab_size=290,
        model_type="bpe",
        byte_fallback=True,
        minloglevel=2,
    )
    config = {"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>"}
    write(tmp_path, {"tokenizer_config.json": config})
    found = read_tokenizer(tmp_path, ModelFilesError)
    assert found is not None
    assert found.eos_token_id == 2
    assert found.encode("hello")


@pytest.mark.parametrize("name", ["tokenizer.model", "spiece.model"])
def test_a_sentencepiece_model_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    write(tmp_path, {name: b"\x00" * 100, "tokenizer_config.json": {}})
    with pytest.raises(ModelFilesError, match="no tokenizer that can be used"):
        read_tokenizer(tmp_path, ModelFilesError)


def test_a_tokenizer_class_without_a_fast_tokenizer_is_refused(tmp_path: Path) -> None:
    config = {"tokenizer_class": "ByT5Tokenizer"}
    write(tmp_path, {"tokenizer.model": b"", "tokenizer_config.json": config})
    with pytest.raises(CheckpointError, match="no tokenizer that can be used"):
        read_tokenizer(tmp_path, CheckpointError)


def test_an_adapter_with_its_bases_tokenizer_differs_in_nothing(tmp_path: Path) -> None:
    base = tokenizer_files(tmp_path / "base", SPECIAL)
    same = tokenizer_files(tmp_path / "adapter", SPECIAL)
    for adapter in (same, None):
        diff = compare_tokenizers(base, adapter)
        assert not diff.needs_own_tokenizer
        assert (diff.renamed, diff.added) == ((), ())


def test_renamed_and_added_tokens_are_found_id_by_id(tmp_path: Path) -> None:
    base = tokenizer_files(tmp_path / "base", ["<s>", "</s>", "<|x|>"])
    adapter = tokenizer_files(tmp_path / "adapter", ["<s>", "<|im_end|>", "<|x|>", "<new>"])
    diff = compare_tokenizers(base, adapter)
    assert diff.renamed == (RenamedToken(id=257, base="</s>", adapter="<|im_end|>"),)
    assert diff.added == ((259, "<new>"),)
    assert diff.needs_own_tokenizer


def test_an_added_padding_token_alone_is_no_difference(tmp_path: Path) -> None:
    base = tokenizer_files(tmp_path / "base", SPECIAL)
    adapter = tokenizer_files(tmp_path / "adapter", [*SPECIAL, "<PAD>"], pad_token="<PAD>")
    assert not compare_tokenizers(base, adapter).needs_own_tokenizer


def test_unsloths_renaming_of_eos_is_found(tmp_path: Path) -> None:
    """`map_eos_token` writes `<|im_end|>` where tokenizer.json had the base's EOS."""
    path = build_base("llama3", tmp_path / "base", weights=False)
    base = read_tokenizer(path, ModelFilesError)
    text = (path / "tokenizer.json").read_text().replace("<|end_of_text|>", "<|im_end|>")
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "tokenizer.json").write_text(text)
    assert base is not None
    diff = compare_tokenizers(base, read_tokenizer(tmp_path / "adapter", CheckpointError))
    eos = special_ids("llama3")["<|end_of_text|>"]
    assert diff.renamed == (RenamedToken(id=eos, base="<|end_of_text|>", adapter="<|im_end|>"),)


def _with(path: Path, **changes: Any) -> Path:
    """A llama3 tokenizer.json with parts of it replaced."""
    build_base("llama3", path, weights=False)
    data = json.loads((path / "tokenizer.json").read_text())
    (path / "tokenizer.json").write_text(json.dumps({**data, **changes}))
    return path


def test_a_panic_of_the_tokenizers_library_is_an_error_like_any_other(tmp_path: Path) -> None:
    """Its post-processor names a token that it does not list: the library panics at the first text."""
    single = [
        {"SpecialToken": {"id": "<gone>", "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}},
    ]
    processor = {
        "type": "TemplateProcessing",
        "single": single,
        "pair": single,
        "special_tokens": {},
    }
    with pytest.raises(CheckpointError, match="no tokenizer that can be used"):
        read_tokenizer(_with(tmp_path, post_processor=processor), CheckpointError)


def test_a_panic_at_a_later_text_is_an_error_too(tmp_path: Path) -> None:
    """The regular expression gives up at long words only."""
    pattern = {"Regex": "^((([a-z])+.)+)+[A-Z]([a-z])+$"}
    split = {"type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": False}
    tokenizer = read_tokenizer(_with(tmp_path, pre_tokenizer=split), CheckpointError)
    assert tokenizer is not None
    with pytest.raises(AdapterError, match="no tokenizer that can be used"):
        tokenizer.encode("a" * 40)


@pytest.mark.parametrize("part", ["normalizer", "decoder"])
def test_replacements_that_grow_without_end_are_refused(tmp_path: Path, part: str) -> None:
    step = {"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 100}
    kind = f"{part}s"
    bomb = {"type": "Sequence", kind: [{"type": "Sequence", kind: [step] * 4}] * 2}
    with pytest.raises(CheckpointError, match="64 times longer"):
        read_tokenizer(_with(tmp_path, **{part: bomb}), CheckpointError)
