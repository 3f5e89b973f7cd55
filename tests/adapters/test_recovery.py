"""Which template an adapter was trained with: what is asked for, recorded, found beside it, guessed; never silently."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters.errors import CheckpointError
from adapters.recovery import RecoveredTemplate, recover_template
from adapters.rendering import TemplateProcess
from adapters.tokenizer_files import TokenizerFiles
from adapters.trainers import TrainerName, TrainerRecord

from .raw_adapters import CHATML, PLAIN, tokenizer_files

TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
USER = [{"role": "user", "content": "Hi"}]


@pytest.fixture(scope="module")
def process() -> Iterator[TemplateProcess]:
    with TemplateProcess(timeout_s=1.0) as made:
        yield made


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> TokenizerFiles:
    """A Qwen-like tokenizer whose base brings no template."""
    path = tmp_path_factory.mktemp("tokenizer")
    return tokenizer_files(path, TOKENS, eos_token="<|endoftext|>")


def trainer(name: TrainerName = "ms-swift", **recorded: Any) -> TrainerRecord:
    return TrainerRecord(name=name, evidence=("args.json: template = x",), **recorded)


def recover(
    record: TrainerRecord,
    tokenizer: TokenizerFiles,
    process: TemplateProcess,
    *,
    own: str | None = None,
    of_base: str | None = None,
    asked: str | None = None,
) -> RecoveredTemplate | None:
    base = replace(tokenizer, chat_template=of_base)
    return recover_template(record, tokenizer, base, own, asked, process)


def test_a_recorded_name_is_looked_up_in_its_trainers_table(
    tokenizer: TokenizerFiles, process: TemplateProcess
) -> None:
    swift = recover(trainer(template="default"), tokenizer, process, own=CHATML)
    factory = recover(trainer("LLaMA-Factory", template="default"), tokenizer, process, own=CHATML)
    assert swift is not None
    assert factory is not None
    assert (swift.name, swift.confidence) == ("default", "recorded")
    assert swift.evidence == "args.json: template = x"
    assert "\n\n### Human:" in swift.turns.role_markers
    assert "\nHuman:" in factory.turns.role_markers
    assert swift.turns.trained_end == ("<|endoftext|>",)
    assert not swift.turns.ends_every_turn
    assert factory.turns.ends_every_turn


@pytest.mark.parametrize(
    ("recorded", "system"),
    [
        ({"template": "default"}, "You are a helpful assistant."),
        ({"template": "default", "system": "Be brief."}, "Be brief."),
        ({"template": "default", "system": ""}, None),
        ({"template": "chatml"}, None),
        ({"template": "default", "system": "S", "uses_chat_template": False}, None),
    ],
)
def test_the_system_prompt_is_the_recorded_one_or_the_templates(
    tokenizer: TokenizerFiles,
    process: TemplateProcess,
    recorded: dict[str, Any],
    system: str | None,
) -> None:
    found = recover(trainer(**recorded), tokenizer, process)
    assert found is not None
    assert found.system == system
    shown = process.render(found.source, USER, {"add_generation_prompt": True})
    assert (system or "Hi") in shown


def test_response_prefix_and_thinking_are_written_into_the_template(
    tokenizer: TokenizerFiles, process: TemplateProcess
) -> None:
    found = recover(trainer(template="chatml", response_prefix="Sure: "), tokenizer, process)
    assert found is not None
    assert process.render(found.source, USER, {"add_generation_prompt": True}).endswith("Sure: ")


def test_without_a_chat_template_the_question_alone_was_trained(
    tokenizer: TokenizerFiles, process: TemplateProcess
) -> None:
    record = trainer(template="qwen2_5", uses_chat_template=False)
    found = recover(record, tokenizer, process)
    assert found is not None
    assert found.name == "dummy"
    assert process.render(found.source, USER, {"add_generation_prompt": True}) == "Hi"


def test_the_template_in_the_adapter_is_what_other_trainers_used(
    tokenizer: TokenizerFiles, process: TemplateProcess
) -> None:
    found = recover(trainer("TRL"), tokenizer, process, own=CHATML, of_base=PLAIN)
    assert found is not None
    assert (found.name, found.confidence, found.source) == ("own", "derived", CHATML)
    assert found.turns.trained_end == ("<|im_end|>",)
    assert found.table is None


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (trainer("PEFT"), "nothing recorded"),
        (trainer(template="my_own"), "ms-swift's template 'my_own' is not in the table"),
    ],
)
def test_the_bases_template_is_a_guess_and_says_so(
    tokenizer: TokenizerFiles, process: TemplateProcess, record: TrainerRecord, said: str
) -> None:
    found = recover(record, tokenizer, process, of_base=CHATML)
    assert found is not None
    assert (found.name, found.confidence) == ("base", "guessed")
    assert said in found.evidence


def test_where_nothing_says_nothing_is_made_up(
    tokenizer: TokenizerFiles, process: TemplateProcess
) -> None:
    assert recover(trainer("PEFT"), tokenizer, process) is None
    assert recover(trainer(template="my_own"), tokenizer, process) is None


@pytest.mark.parametrize(
    ("tokens", "name", "end"),
    [
        (("<|eot_id|>", "<|start_header_id|>"), "llama3", "<|eot_id|>"),
        (("<|im_end|>", "<|im_start|>"), "qwen2_5", "<|im_end|>"),
    ],
)
def test_torchtunes_template_is_that_of_the_family(
    tmp_path: Path, process: TemplateProcess, tokens: tuple[str, ...], name: str, end: str
) -> None:
    found = recover(trainer("torchtune"), tokenizer_files(tmp_path, tokens), process, own=PLAIN)
    assert found is not None
    assert (found.name, found.confidence) == (name, "guessed")
    assert found.turns.trained_end == (end,)


def test_torchtune_with_an_unknown_family_is_a_guess_from_the_base(
    tmp_path: Path, process: TemplateProcess
) -> None:
    tokenizer = tokenizer_files(tmp_path, ["</s>"], eos_token="</s>")
    found = recover(trainer("torchtune"), tokenizer, process, own=PLAIN, of_base=PLAIN)
    assert found is not None
    assert (found.name, found.confidence) == ("base", "guessed")


@pytest.mark.parametrize(
    ("asked", "name", "end"),
    [
        ("default", "default", "<|endoftext|>"),
        ("ms-swift:chatml", "chatml", "<|im_end|>"),
        ("LLaMA-Factory:default", "default", "<|endoftext|>"),
        ("any:alpaca", "alpaca", "<|endoftext|>"),
        ("vicuna", "vicuna", "<|endoftext|>"),
    ],
)
def test_a_template_asked_for_by_name_wins(
    tokenizer: TokenizerFiles, process: TemplateProcess, asked: str, name: str, end: str
) -> None:
    found = recover(trainer(template="qwen2_5"), tokenizer, process, own=CHATML, asked=asked)
    assert found is not None
    assert (found.name, found.confidence) == (name, "recorded")
    assert found.evidence == f"--template {asked}"
    assert found.turns.trained_end == (end,)


@pytest.mark.parametrize(
    ("name", "owner"),
    [("ms-swift", "ms-swift"), ("LLaMA-Factory", "LLaMA-Factory"), ("TRL", "any")],
)
def test_a_bare_name_is_the_trainers_own_then_the_well_known_one(
    tokenizer: TokenizerFiles, process: TemplateProcess, name: TrainerName, owner: str
) -> None:
    found = recover(trainer(name), tokenizer, process, asked="chatml")
    assert found is not None
    assert found.table is not None
    assert found.table.trainer == owner


def test_a_jinja_file_asked_for_is_read(
    tmp_path: Path, tokenizer: TokenizerFiles, process: TemplateProcess
) -> None:
    file = tmp_path / "mine.jinja"
    file.write_text(CHATML)
    found = recover(trainer(template="default"), tokenizer, process, asked=str(file))
    assert found is not None
    assert (found.name, found.confidence, found.source) == ("mine", "recorded", CHATML)


@pytest.mark.parametrize(
    "asked",
    [
        "nothing",
        "ms-swift:nothing",
        "nobody:default",
        "",
        ":",
        "~nobody/x.jinja",
        "x" * 5000,
        "/dev/null",
    ],
)
def test_what_is_no_template_is_refused_with_the_names_there_are(
    tokenizer: TokenizerFiles, process: TemplateProcess, asked: str
) -> None:
    with pytest.raises(
        CheckpointError, match="--template: neither a Jinja file nor one of"
    ) as told:
        recover(trainer(), tokenizer, process, asked=asked)
    assert "ms-swift:default" in str(told.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe{\x00", "not UTF-8"),
        (b"{{ raise_exception('never') }}", "cannot be rendered .never."),
        (b"x" * (1 << 21), "larger than"),
    ],
)
def test_a_file_that_is_no_template_is_named(
    tmp_path: Path,
    tokenizer: TokenizerFiles,
    process: TemplateProcess,
    content: bytes,
    message: str,
) -> None:
    file = tmp_path / "mine.jinja"
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"mine\.jinja: .*{message}"):
        recover(trainer(), tokenizer, process, asked=str(file))


def test_the_adapters_own_broken_template_is_refused(
    tokenizer: TokenizerFiles, process: TemplateProcess
) -> None:
    with pytest.raises(CheckpointError, match=r"cannot be rendered .*; give one with --template"):
        recover(trainer("TRL"), tokenizer, process, own="{% for %}")


def test_a_template_whose_tokens_the_tokenizer_lacks_is_marked_by_their_text(
    tmp_path: Path, process: TemplateProcess
) -> None:
    """ms-swift's chatml on Llama 2: `<|im_end|>` was trained as pieces, so the answer holds it as text."""
    tokenizer = tokenizer_files(tmp_path, ["<s>", "</s>"], eos_token="</s>")
    found = recover(trainer(template="chatml"), tokenizer, process)
    assert found is not None
    assert found.turns.trained_end == ()
    assert found.turns.role_markers == ("<|im_end|>", "<|im_start|>")
    assert found.marks_turns_with_text


def test_a_template_of_tokens_is_not_marked_with_text(
    tokenizer: TokenizerFiles, process: TemplateProcess
) -> None:
    found = recover(trainer(template="chatml"), tokenizer, process)
    assert found is not None
    assert not found.marks_turns_with_text


@pytest.mark.parametrize(("bos", "written"), [("<|endoftext|>", ""), (None, "")])
def test_a_bos_that_the_tokenizer_does_not_add_is_not_written(
    tokenizer: TokenizerFiles, process: TemplateProcess, bos: str | None, written: str
) -> None:
    found = recover(trainer(template="default"), replace(tokenizer, bos_token=bos), process)
    assert found is not None
    names = {} if bos is None else {"bos_token": bos}
    shown = process.render(found.source, USER, {**names, "add_generation_prompt": True})
    assert shown.startswith("You are a helpful assistant.")


def test_raw_ids_are_spelled_as_the_tokenizer_does(
    tokenizer: TokenizerFiles, process: TemplateProcess
) -> None:
    """Baichuan's roles are the ids 195 and 196, whatever their text."""
    found = recover(trainer(template="baichuan"), tokenizer, process)
    assert found is not None
    user, assistant = tokenizer.token(195), tokenizer.token(196)
    assert found.turns.turn_start == (user, assistant)
    shown = process.render(found.source, USER, {"add_generation_prompt": True})
    assert shown == f"{user}Hi{assistant}"


@pytest.mark.parametrize(
    ("own", "template", "writes"),
    [
        ("{{ bos_token }}" + CHATML, None, True),
        (CHATML, None, False),
        (None, "llama3", True),
        (None, "qwen2_5", False),
        (None, "default", True),
    ],
)
def test_whether_the_template_writes_the_bos_itself(
    tmp_path: Path, process: TemplateProcess, own: str | None, template: str | None, writes: bool
) -> None:
    bos = "<|begin_of_text|>"
    tokenizer = tokenizer_files(tmp_path, [bos, *TOKENS], bos_token=bos)
    record = trainer("ms-swift" if template else "TRL", template=template)
    found = recover(record, tokenizer, process, own=own)
    assert found is not None
    assert found.writes_bos(bos) is writes
