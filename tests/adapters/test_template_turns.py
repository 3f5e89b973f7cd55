"""What a rendered template shows about turns: the end of an answer, the opening of the next, what stands inside."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken, normalizers

from adapters.errors import CheckpointError
from adapters.rendering import TemplateProcess, TemplateRefusal, TemplateTooCostly
from adapters.template_turns import Turns, read_turns
from adapters.tokenizer_files import read_tokenizer

from .raw_adapters import CHATML, PLAIN, byte_level, tokenizer_files

LLAMA3 = (
    "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n"
    "{{ m.content }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
LLAMA3_TOKENS = ("<|begin_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>")
# GLM-4: nothing closes a turn, the next role's token does.
GLM4 = (
    "[gMASK]<sop>{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
GLM4_TOKENS = ("<|endoftext|>", "[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>")
ZEPHYR = (
    "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}{{ eos_token }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
# Qwen3 takes thoughts out of a text, and writes its own tokens around thoughts and tool calls.
QWEN3 = """\
{%- for m in messages %}
{{- '<|im_start|>' + m.role + '\\n' }}
{%- if m.reasoning_content %}{{- '<think>\\n' + m.reasoning_content + '\\n</think>\\n\\n' }}{%- endif %}
{{- m.content }}
{%- for call in m.tool_calls or [] %}{{- '<tool_call>' + call.function.name + '</tool_call>' }}{%- endfor %}
{{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}
"""
CHATML_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
ONE_QUESTION = (
    "{% if messages|length > 2 %}{{ raise_exception('one question only') }}{% endif %}"
    "{% for m in messages %}{{ m.content }}{% if m.role != 'user' %}{{ eos_token }}{% endif %}{% endfor %}"
)
# DeepSeek-Coder trains the line break before the token as well.
DEEPSEEK_CODER = (
    "{% for m in messages %}{% if m.role == 'user' %}### Instruction:\n{{ m.content }}\n"
    "{% else %}### Response:\n{{ m.content }}\n<|EOT|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}### Response:{% endif %}"
)
NO_END = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
ONE_END = (
    "{% for m in messages %}{{ '### ' + m.role + ': ' + m.content }}\n{% endfor %}"
    "{% if messages[-1].role == 'assistant' %}{{ eos_token }}{% endif %}"
)


@pytest.fixture(scope="module")
def process() -> Iterator[TemplateProcess]:
    with TemplateProcess(timeout_s=1.0) as made:
        yield made


def turns(
    source: str,
    tokens: Sequence[str],
    path: Path,
    process: TemplateProcess,
    plain: Sequence[str] = (),
    **config: Any,
) -> Turns:
    return read_turns(source, tokenizer_files(path, tokens, plain, **config), process)


def test_chatml(tmp_path: Path, process: TemplateProcess) -> None:
    found = turns(CHATML, CHATML_TOKENS, tmp_path, process)
    assert found.trained_end == ("<|im_end|>",)
    assert found.turn_start == ("<|im_start|>",)
    assert found.role_markers == ()
    assert found.ends_every_turn
    assert found.inside == frozenset()


def test_llama3(tmp_path: Path, process: TemplateProcess) -> None:
    found = turns(LLAMA3, LLAMA3_TOKENS, tmp_path, process, bos_token="<|begin_of_text|>")
    assert found.trained_end == ("<|eot_id|>",)
    assert found.turn_start == ("<|start_header_id|>",)
    assert found.inside == frozenset()


def test_where_the_next_role_ends_a_turn_nothing_ends_the_last_answer(
    tmp_path: Path, process: TemplateProcess
) -> None:
    found = turns(GLM4, GLM4_TOKENS, tmp_path, process)
    assert found.trained_end == ()
    assert found.turn_start == ("<|user|>",)
    assert found.role_markers == ()


def test_thoughts_and_tool_calls_stand_inside_an_answer(
    tmp_path: Path, process: TemplateProcess
) -> None:
    inside = ("<think>", "</think>", "<tool_call>", "</tool_call>")
    found = turns(QWEN3, CHATML_TOKENS, tmp_path, process, plain=inside)
    assert found.trained_end == ("<|im_end|>",)
    assert found.inside == frozenset(inside)


def test_role_tokens_that_are_plain_text_are_markers(
    tmp_path: Path, process: TemplateProcess
) -> None:
    found = turns(ZEPHYR, ["<s>", "</s>"], tmp_path, process, eos_token="</s>")
    assert found.trained_end == ("</s>",)
    assert found.turn_start == ()
    assert "\n<|user|>" in found.role_markers


def test_plain_text_is_marked_at_the_start_of_a_line(
    tmp_path: Path, process: TemplateProcess
) -> None:
    found = turns(PLAIN, ["</s>"], tmp_path, process, eos_token="</s>")
    assert found.trained_end == ("</s>",)
    assert found.role_markers == ("\n### Question:",)
    assert found.ends_every_turn


def test_white_space_before_the_end_token_is_skipped(
    tmp_path: Path, process: TemplateProcess
) -> None:
    found = turns(DEEPSEEK_CODER, ["</s>", "<|EOT|>"], tmp_path, process)
    assert found.trained_end == ("<|EOT|>",)
    assert found.role_markers == ("\n### Instruction:",)


def test_added_tokens_for_white_space_neither_end_nor_open_a_turn(
    tmp_path: Path, process: TemplateProcess
) -> None:
    """Gemma's tokenizer adds runs of line breaks: with one as an end, an answer would be one paragraph."""
    source = PLAIN.replace("{{ eos_token }}", "").replace("\n", "\n\n")
    found = turns(source, ["<eos>"], tmp_path, process, plain=["\n", "\n\n"], eos_token="<eos>")
    assert found.trained_end == ()
    assert found.turn_start == ()
    assert found.role_markers == ("\n\n### Question:", "\n### Question:")


def test_a_template_without_an_end_has_none(tmp_path: Path, process: TemplateProcess) -> None:
    found = turns(NO_END, CHATML_TOKENS, tmp_path, process)
    assert found.trained_end == ()
    assert found.role_markers == ("\nuser:",)


def test_an_end_after_the_last_answer_only_is_seen(
    tmp_path: Path, process: TemplateProcess
) -> None:
    found = turns(ONE_END, ["</s>"], tmp_path, process, eos_token="</s>")
    assert found.trained_end == ("</s>",)
    assert not found.ends_every_turn


def test_a_template_for_one_question_has_no_next_turn(
    tmp_path: Path, process: TemplateProcess
) -> None:
    found = turns(ONE_QUESTION, ["</s>"], tmp_path, process, eos_token="</s>")
    assert found.trained_end == ("</s>",)
    assert (found.turn_start, found.role_markers) == ((), ())
    assert found.ends_every_turn


def test_a_template_may_refuse_a_system_message(tmp_path: Path, process: TemplateProcess) -> None:
    source = "{% if messages[0].role == 'system' %}{{ raise_exception('no') }}{% endif %}" + CHATML
    assert turns(source, CHATML_TOKENS, tmp_path, process).trained_end == ("<|im_end|>",)


def test_a_template_that_changes_the_answer_has_no_end(
    tmp_path: Path, process: TemplateProcess
) -> None:
    source = CHATML.replace("m.content", "m.content|upper")
    assert turns(source, CHATML_TOKENS, tmp_path, process).trained_end == ()


def test_an_added_token_that_a_normalizer_spells_otherwise_is_no_error(
    tmp_path: Path, process: TemplateProcess
) -> None:
    """A lower-casing tokenizer finds its token `[end]` where the template writes `[END]`."""
    made = byte_level()
    made.normalizer = normalizers.Lowercase()
    made.add_tokens([AddedToken("[end]", normalized=True)])
    made.save(str(tmp_path / "tokenizer.json"))
    tokenizer = read_tokenizer(tmp_path, CheckpointError)
    assert tokenizer is not None
    source = CHATML.replace("<|im_end|>", "[END]")
    assert read_turns(source, tokenizer, process).trained_end == ()


REFUSED = [
    ("{{ raise_exception('never') }}", "never"),
    (
        "{% if messages[-1].role == 'assistant' %}{{ raise_exception('no answers') }}{% endif %}",
        "no",
    ),
    ("{% for m in messages %}", "end of template"),
    ("{% break %}", "SyntaxError"),
    ("{% include 'other' %}", "no loader"),
    ("{{ 1 / 0 }}", "ZeroDivisionError"),
    ("{{ messages[0].nothing.at_all }}", "no attribute"),
    ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "RecursionError"),
    ("{{ '\\ud800' }}", "UnicodeEncodeError"),
    ("{{ ''.__class__.__mro__ }}", "unsafe"),
    ("{{ lipsum.__globals__['os'].system('true') }}", "unsafe"),
    ("{{ cycler.__init__.__globals__ }}", "unsafe"),
    ("{{ messages.append(1) }}", "unsafe"),
]


@pytest.mark.parametrize(("source", "message"), REFUSED)
def test_a_template_that_fails_or_leaves_the_sandbox_is_refused(
    tmp_path: Path, process: TemplateProcess, source: str, message: str
) -> None:
    with pytest.raises(TemplateRefusal, match=message):
        turns(source, CHATML_TOKENS, tmp_path, process)


LOOP = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
BOMBS = {
    "memory": "{{ 'x' * 10**10 }}",
    "text": "{{ 'x' * 10**6 }}",
    "time": LOOP,
    "time, in longer conversations": "{% if messages|length > 2 %}" + LOOP + "{% endif %}" + CHATML,
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_template_that_takes_too_much_is_refused_at_the_first_attempt(
    tmp_path: Path, process: TemplateProcess, bomb: str
) -> None:
    with pytest.raises(TemplateTooCostly):
        turns(BOMBS[bomb], CHATML_TOKENS, tmp_path, process)
    assert process.render("ready", [], {}) == "ready"


def test_a_long_refusal_is_cut(process: TemplateProcess) -> None:
    with pytest.raises(TemplateRefusal) as refusal:
        process.render("{{ raise_exception('x' * 10**6) }}", [], {})
    assert len(str(refusal.value)) == 1000
