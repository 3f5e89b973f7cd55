"""Which ids end an answer: every family's token names, with a plain-text template (a) and with the family's own (b)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from adapters.base_files import BaseFiles
from adapters.end_of_turn import (
    END_TOKENS,
    HARMONY,
    NEVER_ENDS,
    EndOfTurnSources,
    end_of_turn_ids,
    eos_ids,
)
from adapters.errors import ModelFilesError
from adapters.recovery import recover_template
from adapters.rendering import TemplateProcess
from adapters.template_turns import Turns
from adapters.tokenizer_files import TokenizerFiles
from adapters.trainers import TrainerRecord

from .raw_adapters import tokenizer_files


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A base's added tokens in id order, the tokens its three files call EOS, and the ends that must be found.

    own: template of its own (b), as the table has it, or its turns where the table has none.
    """

    tokens: Sequence[str]
    tokenizer: str
    config: Sequence[str]
    generation: Sequence[str] | None
    plain_text: str = "ms-swift:default"
    plain_ends: Sequence[str]
    own: str | Turns
    own_ends: Sequence[str]


def shown(end: Sequence[str] = (), start: Sequence[str] = (), markers: Sequence[str] = ()) -> Turns:
    """The turns that a template outside the table shows when it is rendered."""
    return Turns(
        trained_end=tuple(end),
        turn_start=tuple(start),
        role_markers=tuple(markers),
        ends_every_turn=True,
        inside=frozenset(),
    )


QWEN = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>", "<tool_call>")
LLAMA3 = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>"]
LLAMA3 += ["<|eom_id|>", "<|eot_id|>", "<|python_tag|>"]
GEMMA = ("<pad>", "<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>")
GLM4_ROLES = ("<|system|>", "<|user|>", "<|assistant|>", "<|observation|>")
GLM4 = ("<|endoftext|>", "[gMASK]", "<sop>", *GLM4_ROLES)
GEMMA4 = ["<pad>", "<eos>", "<bos>", "<|turn>", "<turn|>", "<|tool_response>"]
GEMMA4 += ["<|tool_call>", "<tool_call|>", "<|channel>"]
DEEPSEEK_EOS = "<\uff5cend\u2581of\u2581sentence\uff5c>"
SENTENCEPIECE = ("<unk>", "<s>", "</s>")

FAMILIES: Mapping[str, Family] = {
    "Qwen2.5": Family(
        tokens=QWEN,
        tokenizer="<|endoftext|>",
        config=["<|endoftext|>"],
        generation=["<|endoftext|>"],
        plain_ends=["<|endoftext|>", "<|im_end|>"],
        own="ms-swift:qwen2_5",
        own_ends=["<|im_end|>", "<|endoftext|>", "<|im_start|>"],
    ),
    "Qwen3": Family(
        tokens=QWEN,
        tokenizer="<|im_end|>",
        config=["<|endoftext|>"],
        generation=["<|endoftext|>"],
        plain_ends=["<|im_end|>", "<|endoftext|>"],
        own="ms-swift:qwen3",
        own_ends=["<|im_end|>", "<|endoftext|>", "<|im_start|>"],
    ),
    "Qwen2.5 instruct": Family(
        tokens=QWEN,
        tokenizer="<|im_end|>",
        config=["<|endoftext|>"],
        generation=["<|im_end|>", "<|endoftext|>"],
        plain_ends=["<|im_end|>", "<|endoftext|>"],
        own="LLaMA-Factory:qwen",
        own_ends=["<|im_end|>", "<|endoftext|>", "<|im_start|>"],
    ),
    "Llama 2": Family(
        tokens=SENTENCEPIECE,
        tokenizer="</s>",
        config=["</s>"],
        generation=["</s>"],
        plain_text="LLaMA-Factory:alpaca",
        plain_ends=["</s>"],
        own="ms-swift:llama",
        own_ends=["</s>"],
    ),
    "Llama 3": Family(
        tokens=LLAMA3,
        tokenizer="<|end_of_text|>",
        config=["<|end_of_text|>"],
        generation=["<|end_of_text|>"],
        plain_ends=["<|end_of_text|>", "<|eot_id|>", "<|eom_id|>"],
        own="ms-swift:llama3",
        own_ends=["<|eot_id|>", "<|end_of_text|>", "<|eom_id|>", "<|start_header_id|>"],
    ),
    "Llama 3 instruct": Family(
        tokens=LLAMA3,
        tokenizer="<|eot_id|>",
        config=["<|end_of_text|>", "<|eom_id|>", "<|eot_id|>"],
        generation=["<|end_of_text|>", "<|eom_id|>", "<|eot_id|>"],
        plain_ends=["<|end_of_text|>", "<|eot_id|>", "<|eom_id|>"],
        own="torchtune:llama3",
        own_ends=["<|eot_id|>", "<|end_of_text|>", "<|eom_id|>", "<|start_header_id|>"],
    ),
    "Mistral": Family(
        tokens=SENTENCEPIECE,
        tokenizer="</s>",
        config=["</s>"],
        generation=["</s>"],
        plain_text="LLaMA-Factory:vicuna",
        plain_ends=["</s>"],
        own="LLaMA-Factory:mistral",
        own_ends=["</s>"],
    ),
    "Mistral 0.3": Family(
        tokens=[*SENTENCEPIECE, "[INST]", "[/INST]", "[TOOL_CALLS]"],
        tokenizer="</s>",
        config=["</s>"],
        generation=None,
        plain_text="any:vicuna",
        plain_ends=["</s>"],
        own="LLaMA-Factory:mistral",
        own_ends=["</s>", "[INST]"],
    ),
    "Gemma 2": Family(
        tokens=GEMMA,
        tokenizer="<eos>",
        config=["<eos>"],
        generation=["<eos>"],
        plain_ends=["<eos>", "<end_of_turn>"],
        own="LLaMA-Factory:gemma2",
        own_ends=["<end_of_turn>", "<eos>", "<start_of_turn>"],
    ),
    "Gemma 3": Family(
        tokens=GEMMA,
        tokenizer="<eos>",
        config=["<eos>"],
        generation=["<eos>"],
        plain_ends=["<eos>", "<end_of_turn>"],
        own="ms-swift:gemma",
        own_ends=["<end_of_turn>", "<eos>", "<start_of_turn>"],
    ),
    "Gemma 4": Family(
        tokens=GEMMA4,
        tokenizer="<eos>",
        config=["<eos>"],
        generation=["<eos>", "<turn|>", "<|tool_response>"],
        plain_ends=["<eos>", "<turn|>", "<|tool_response>"],
        own="ms-swift:gemma4",
        own_ends=["<turn|>", "<eos>", "<|tool_response>", "<|turn>"],
    ),
    "SmolLM2": Family(
        tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        tokenizer="<|endoftext|>",
        config=["<|endoftext|>"],
        generation=["<|endoftext|>"],
        plain_ends=["<|endoftext|>", "<|im_end|>"],
        own="LLaMA-Factory:smollm2",
        own_ends=["<|im_end|>", "<|endoftext|>", "<|im_start|>"],
    ),
    "Phi-2": Family(
        tokens=["<|endoftext|>"],
        tokenizer="<|endoftext|>",
        config=["<|endoftext|>"],
        generation=["<|endoftext|>"],
        plain_ends=["<|endoftext|>"],
        own=shown(["<|endoftext|>"], markers=["\nInstruct:"]),
        own_ends=["<|endoftext|>"],
    ),
    "Phi-3": Family(
        tokens=["<|endoftext|>", "<|assistant|>", "<|end|>", "<|user|>"],
        tokenizer="<|endoftext|>",
        config=["<|endoftext|>"],
        generation=["<|endoftext|>", "<|assistant|>", "<|end|>"],
        plain_ends=["<|endoftext|>", "<|assistant|>", "<|end|>"],
        own=shown(["<|end|>"], ["<|user|>"]),
        own_ends=["<|end|>", "<|endoftext|>", "<|assistant|>", "<|user|>"],
    ),
    "Phi-4": Family(
        tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|im_sep|>"],
        tokenizer="<|im_end|>",
        config=["<|endoftext|>"],
        generation=["<|endoftext|>", "<|im_end|>"],
        plain_ends=["<|endoftext|>", "<|im_end|>"],
        own="LLaMA-Factory:phi4",
        own_ends=["<|im_end|>", "<|endoftext|>", "<|im_start|>"],
    ),
    "DeepSeek LLM": Family(
        tokens=["<\uff5cbegin\u2581of\u2581sentence\uff5c>", DEEPSEEK_EOS],
        tokenizer=DEEPSEEK_EOS,
        config=[DEEPSEEK_EOS],
        generation=[DEEPSEEK_EOS],
        plain_ends=[DEEPSEEK_EOS],
        own="ms-swift:deepseek",
        own_ends=[DEEPSEEK_EOS],
    ),
    "DeepSeek Coder": Family(
        tokens=[DEEPSEEK_EOS, "<|EOT|>"],
        tokenizer=DEEPSEEK_EOS,
        config=[DEEPSEEK_EOS],
        generation=[DEEPSEEK_EOS],
        plain_ends=[DEEPSEEK_EOS, "<|EOT|>"],
        own="ms-swift:deepseek_coder",
        own_ends=["<|EOT|>", DEEPSEEK_EOS],
    ),
    "DeepSeek V3": Family(
        tokens=[
            DEEPSEEK_EOS,
            "<\uff5cUser\uff5c>",
            "<\uff5cAssistant\uff5c>",
            "<think>",
            "</think>",
        ],
        tokenizer=DEEPSEEK_EOS,
        config=[DEEPSEEK_EOS],
        generation=[DEEPSEEK_EOS],
        plain_ends=[DEEPSEEK_EOS],
        own=shown([DEEPSEEK_EOS], ["<\uff5cUser\uff5c>"]),
        own_ends=[DEEPSEEK_EOS, "<\uff5cUser\uff5c>"],
    ),
    "Yi": Family(
        tokens=["<|startoftext|>", "<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        tokenizer="<|endoftext|>",
        config=["<|endoftext|>"],
        generation=["<|endoftext|>"],
        plain_ends=["<|endoftext|>", "<|im_end|>"],
        own="LLaMA-Factory:yi",
        own_ends=["<|im_end|>", "<|endoftext|>", "<|im_start|>"],
    ),
    "Baichuan 2": Family(
        tokens=SENTENCEPIECE,
        tokenizer="</s>",
        config=["</s>"],
        generation=["</s>"],
        plain_ends=["</s>"],
        own="ms-swift:baichuan",
        own_ends=["</s>", "id 195", "id 196"],
    ),
    "GLM-4": Family(
        tokens=GLM4,
        tokenizer="<|endoftext|>",
        config=["<|endoftext|>"],
        generation=["<|endoftext|>", "<|user|>", "<|observation|>"],
        plain_ends=["<|endoftext|>", "<|user|>", "<|observation|>"],
        own="ms-swift:glm4",
        own_ends=["<|endoftext|>", *GLM4_ROLES],
    ),
    "GLM-4 base, LLaMA-Factory": Family(
        tokens=GLM4,
        tokenizer="<|endoftext|>",
        config=["<|endoftext|>"],
        generation=["<|endoftext|>"],
        plain_ends=["<|endoftext|>"],
        own="LLaMA-Factory:glm4",
        own_ends=["<|endoftext|>", *GLM4_ROLES],
    ),
    "GLM-4 base, rendered": Family(
        tokens=GLM4,
        tokenizer="<|endoftext|>",
        config=["<|endoftext|>"],
        generation=None,
        plain_ends=["<|endoftext|>"],
        own=shown(start=["<|user|>"]),
        own_ends=["<|endoftext|>", "<|user|>", "<|observation|>"],
    ),
    "ChatGLM3": Family(
        tokens=["</s>", "<|user|>", "<|assistant|>", "<|observation|>"],
        tokenizer="</s>",
        config=["</s>"],
        generation=None,
        plain_ends=["</s>"],
        own=shown(start=["<|user|>"]),
        own_ends=["</s>", "<|user|>", "<|observation|>"],
    ),
    "InternLM 2": Family(
        tokens=["<s>", "</s>", "<|im_end|>", "<|im_start|>"],
        tokenizer="</s>",
        config=["</s>"],
        generation=["</s>"],
        plain_ends=["</s>", "<|im_end|>"],
        own="any:chatml",
        own_ends=["<|im_end|>", "</s>", "<|im_start|>"],
    ),
    "gpt-oss": Family(
        tokens=["<|endoftext|>", "<|return|>", "<|call|>", "<|end|>", "<|start|>", "<|channel|>"],
        tokenizer="<|return|>",
        config=["<|return|>"],
        generation=["<|return|>", "<|endoftext|>", "<|call|>"],
        plain_ends=["<|return|>", "<|endoftext|>", "<|call|>"],
        own=shown(["<|return|>"], ["<|start|>"]),
        own_ends=["<|return|>", "<|endoftext|>", "<|call|>", "<|start|>"],
    ),
}


@pytest.fixture(scope="module")
def process() -> Iterator[TemplateProcess]:
    with TemplateProcess() as made:  # never started: the table needs no rendering
        yield made


def base(
    tokenizer: TokenizerFiles, config: Iterable[str], generation: Iterable[str] | None
) -> BaseFiles:
    def eos(names: Iterable[str]) -> dict[str, Any]:
        found = [tokenizer.ids[name] for name in names]
        return {"eos_token_id": found if len(found) > 1 else found[0]}

    return BaseFiles(
        path=Path("base"),
        config=eos(config),
        generation_config=None if generation is None else eos(generation),
    )


def ends(tokenizer: TokenizerFiles, files: BaseFiles, turns: Turns, **more: Any) -> dict[str, str]:
    """Why each token ends an answer, by its name."""
    sources = EndOfTurnSources(
        base=files,
        base_tokenizer=more.pop("base_tokenizer", tokenizer),
        tokenizer=tokenizer,
        turns=turns,
        template="t",
        **more,
    )
    found = end_of_turn_ids(sources)
    return {entry.token if entry.id >= 256 else f"id {entry.id}": entry.why for entry in found}


def of_family(
    family: Family, template: str | Turns, path: Path, process: TemplateProcess
) -> list[str]:
    tokenizer = tokenizer_files(path, family.tokens, eos_token=family.tokenizer)
    files = base(tokenizer, family.config, family.generation)
    if isinstance(template, Turns):
        return list(ends(tokenizer, files, template))
    record = TrainerRecord(name="PEFT", evidence=("test",))
    found = recover_template(record, tokenizer, tokenizer, None, template, process)
    assert found is not None
    return list(ends(tokenizer, files, found.turns, stop_words=found.stop_words))


@pytest.mark.parametrize("name", FAMILIES)
def test_ends_with_a_plain_text_template(
    tmp_path: Path, process: TemplateProcess, name: str
) -> None:
    family = FAMILIES[name]
    found = of_family(family, family.plain_text, tmp_path, process)
    assert set(found) == set(family.plain_ends)
    assert found[0] == family.tokenizer, "the EOS of the tokenizer is what such a template trains"


@pytest.mark.parametrize("name", FAMILIES)
def test_ends_with_the_familys_own_template(
    tmp_path: Path, process: TemplateProcess, name: str
) -> None:
    family = FAMILIES[name]
    found = of_family(family, family.own, tmp_path, process)
    assert set(found) == set(family.own_ends)
    assert len(found) == len(set(found))


def test_the_trained_end_comes_first_and_the_first_reason_is_kept(tmp_path: Path) -> None:
    tokenizer = tokenizer_files(tmp_path, QWEN, eos_token="<|im_end|>")
    files = base(tokenizer, ["<|endoftext|>"], ["<|im_end|>"])
    found = ends(tokenizer, files, shown(["<|im_end|>"], ["<|im_start|>"]))
    assert found == {
        "<|im_end|>": "turn end of template t",
        "<|endoftext|>": "EOS in config.json",
        "<|im_start|>": "opens a turn of template t",
    }


def test_every_file_is_asked(tmp_path: Path) -> None:
    """A2: the three files of the base, the adapter's tokenizer and its generation_config.json all name another token."""
    names = ["<a>", "<b>", "<c>", "<d>", "<e>", "<f>"]
    of_base = tokenizer_files(tmp_path / "base", names, eos_token="<a>")
    own = tokenizer_files(tmp_path / "adapter", names, eos_token="<b>")
    files = base(of_base, ["<c>"], ["<d>"])
    found = ends(
        own,
        files,
        shown(),
        base_tokenizer=of_base,
        adapter_eos_ids=(own.ids["<e>"],),
        stop_words=("<f>", "no token"),
    )
    assert found == {
        "<b>": "EOS of the adapter's tokenizer",
        "<a>": "EOS of the base's tokenizer",
        "<e>": "EOS in the adapter's generation_config.json",
        "<d>": "EOS in generation_config.json",
        "<c>": "EOS in config.json",
        "<f>": "stop word of template t",
    }


@pytest.mark.parametrize("token", sorted(NEVER_ENDS))
def test_tool_and_thinking_tokens_never_end_an_answer(tmp_path: Path, token: str) -> None:
    tokenizer = tokenizer_files(tmp_path, ["</s>", token], eos_token="</s>")
    files = base(tokenizer, ["</s>"], ["</s>", token])
    token_id = tokenizer.ids[token]
    found = ends(
        tokenizer, files, shown(start=[token]), stop_words=(token,), untrained=frozenset({token_id})
    )
    assert list(found) == ["</s>"]


def test_what_stands_inside_an_answer_never_ends_it(tmp_path: Path) -> None:
    tokenizer = tokenizer_files(tmp_path, ["</s>", "<|end|>", "<note>"], eos_token="</s>")
    turns = Turns(
        trained_end=("</s>",),
        turn_start=(),
        role_markers=(),
        ends_every_turn=True,
        inside=frozenset({"<|end|>", "<note>"}),
    )
    found = ends(tokenizer, base(tokenizer, ["</s>"], None), turns, untrained=frozenset({257, 258}))
    assert list(found) == ["</s>"]


def test_a_tool_token_that_was_trained_as_the_end_is_one(tmp_path: Path) -> None:
    tokenizer = tokenizer_files(tmp_path, ["</s>", "</tool_call>"], eos_token="</s>")
    found = ends(tokenizer, base(tokenizer, ["</s>"], None), shown(["</tool_call>"]))
    assert list(found) == ["</tool_call>", "</s>"]


@pytest.mark.parametrize("token", sorted(END_TOKENS - HARMONY))
def test_an_end_by_name_must_be_an_added_token(tmp_path: Path, token: str) -> None:
    added = tokenizer_files(tmp_path / "added", ["<x>", token], eos_token="<x>")
    found = ends(added, base(added, ["<x>"], None), shown())
    assert found == {
        "<x>": "EOS of the adapter's tokenizer",
        token: "ends a turn in the model's family",
    }
    word = tokenizer_files(tmp_path / "word", ["<x>"], eos_token="<x>")
    assert list(ends(word, base(word, ["<x>"], None), shown())) == ["<x>"]


@pytest.mark.parametrize("missing", [*sorted(HARMONY), None])
def test_harmonys_end_of_a_message_is_no_end_of_the_turn(
    tmp_path: Path, missing: str | None
) -> None:
    names = [name for name in ("<x>", "<|end|>", "<|return|>", "<|call|>") if name != missing]
    tokenizer = tokenizer_files(tmp_path, names, eos_token="<x>")
    found = ends(tokenizer, base(tokenizer, ["<x>"], None), shown())
    assert ("<|end|>" in found) == (missing is not None)


def test_untrained_rows_are_ends_with_their_reason(tmp_path: Path) -> None:
    tokenizer = tokenizer_files(tmp_path, LLAMA3, eos_token="<|end_of_text|>")
    untrained = frozenset(
        {tokenizer.ids["<|end_header_id|>"], tokenizer.ids["<|python_tag|>"], 300}
    )
    found = ends(
        tokenizer,
        base(tokenizer, ["<|end_of_text|>"], None),
        shown(["<|eot_id|>"]),
        untrained=untrained,
        untrained_why="untrained",
    )
    assert found["<|end_header_id|>"] == "untrained"
    assert found[""] == "untrained", "a row beyond the tokenizer stands for no token"
    assert "<|python_tag|>" not in found


@pytest.mark.parametrize("token_id", [259, 10**6, 2**31 - 1])
def test_an_id_that_no_tokenizer_has_is_left_out(tmp_path: Path, token_id: int) -> None:
    """The engine refuses a request that stops on an id out of its vocabulary."""
    tokenizer = tokenizer_files(tmp_path, ["</s>", "<a>", "<b>"], eos_token="</s>")
    files = BaseFiles(
        path=Path("base"), config={}, generation_config={"eos_token_id": [256, token_id]}
    )
    found = ends(tokenizer, files, shown(), adapter_eos_ids=(token_id,))
    assert list(found) == ["</s>"]


@pytest.mark.parametrize(
    ("value", "ids"), [(None, ()), (7, (7,)), ([7, 8, 7], (7, 8, 7)), ([], ()), (0, (0,))]
)
def test_eos_token_id_is_one_or_several(value: object, ids: tuple[int, ...]) -> None:
    assert eos_ids({"eos_token_id": value}, Path("f")) == ids


@pytest.mark.parametrize(
    "value",
    [
        "2",
        True,
        -1,
        1.0,
        float("nan"),
        {"a": 1},
        [None],
        [[1]],
        ["</s>"],
        2**31,
        10**4000,
        [10**30],
    ],
)
def test_what_is_no_token_id_is_refused_by_name(value: object) -> None:
    with pytest.raises(ModelFilesError, match=r"f\.json: eos_token_id must be token ids, found"):
        eos_ids({"eos_token_id": value}, Path("f.json"))
