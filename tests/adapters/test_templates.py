"""The template table against texts put together from the trainers' own definitions, never from the Jinja files."""

from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.rendering import TemplateRefusal, render
from adapters.templates import EOS as TOKENIZER_EOS
from adapters.templates import TrainerTemplate, find_template, template_names, with_settings

from .llama_factory_definitions import FACTORY, any_text, factory_text, torchtune_text
from .ms_swift_definitions import (
    BOS,
    DAY,
    EMPTY_THOUGHT,
    EOS,
    IDS,
    IM_HEADER,
    LLAMA3_HEADER,
    SWIFT,
    Message,
    swift_text,
)


def user(content: str) -> Message:
    return {"role": "user", "content": content}


def assistant(content: str) -> Message:
    return {"role": "assistant", "content": content}


def system(content: str) -> Message:
    return {"role": "system", "content": content}


HOSTILE = "{{ 7*7 }}\n{% raw %}{# 'x' \"y\" \\n é 漢 #}\r\n "
CONVERSATIONS = {
    "one turn": [user("Q1"), assistant("A1")],
    "system": [system("S1\n'x'"), user("Q1"), assistant("A1")],
    "empty system": [system(""), user("Q1"), assistant("A1")],
    "two turns": [user("Q1"), assistant("A1"), user("Q2"), assistant("A2")],
    "system, two turns": [
        system("S1"),
        user("Q1"),
        assistant("A1"),
        user("Q2"),
        assistant("A2"),
    ],
    "hostile": [
        system(HOSTILE),
        user(HOSTILE),
        assistant(HOSTILE),
        user("\n q "),
        assistant(" \n"),
    ],
    "nothing said": [user(""), assistant(""), user(""), assistant("")],
    "thoughts": [
        user("Q1"),
        assistant("<think>\nt1\n</think>\n\nA1"),
        user("Q2"),
        assistant("a <think>\nt <think>\nu\n</think>\n\n\nb"),
        user("Q3"),
        assistant("<|channel>thought\nt\n<channel|>A3"),
    ],
}
# ms-swift joins neighbours and lets an assistant begin; the others refuse such conversations.
UNEVEN = {
    "neighbours": [
        user("Q1"),
        user("Q1b"),
        assistant("\nA1\n"),
        assistant("<think>\nA1b\n"),
        user("Q2"),
        assistant("\nA2\n"),
    ],
    "greeting": [system("S1"), assistant("\nHello\n"), user("Q1"), assistant("A1")],
}


def expected(entry: str, messages: Sequence[Message]) -> str:
    trainer, _, name = entry.partition(":")
    if trainer == "ms-swift":
        return swift_text(SWIFT[name], messages)
    if trainer == "LLaMA-Factory":
        return factory_text(FACTORY[name], messages)
    return torchtune_text(name, messages) if trainer == "torchtune" else any_text(name, messages)


def header(entry: str) -> str:
    trainer, _, name = entry.partition(":")
    if trainer == "torchtune":
        return LLAMA3_HEADER if name == "llama3" else IM_HEADER
    if entry == "any:vicuna":
        return "ASSISTANT:"
    return SWIFT[name].header if trainer == "ms-swift" else FACTORY[name].header


ENTRIES = template_names()


def template(entry: str) -> TrainerTemplate:
    found = find_template(*entry.split(":"))
    assert found is not None
    return found


def source(entry: str, **settings: Any) -> str:
    row = template(entry)
    variables = {name: IDS[token_id] for name, token_id in row.raw_ids}
    return with_settings(row.source, variables=variables, **settings)


def rendered(jinja: str, messages: Sequence[Mapping[str, Any]], **options: Any) -> str:
    tokens = {"bos_token": BOS, "eos_token": EOS, "date_string": DAY}
    return render(jinja, orjson.dumps([messages, {**tokens, **options}]))


def cases() -> Iterator[tuple[str, str, list[Message]]]:
    for entry in ENTRIES:
        uneven = UNEVEN if entry.startswith("ms-swift:") else {}
        for name, messages in {**CONVERSATIONS, **uneven}.items():
            if entry != "ms-swift:dummy" or messages[0]["role"] != "system":
                yield entry, name, messages


CASES = [pytest.param(e, messages, id=f"{e} {name}") for e, name, messages in cases()]


@pytest.mark.parametrize(("entry", "messages"), CASES)
def test_a_whole_conversation_renders_to_what_the_trainer_trains(
    entry: str, messages: list[Message]
) -> None:
    assert rendered(source(entry), messages) == expected(entry, messages)


@pytest.mark.parametrize(("entry", "messages"), CASES)
def test_a_prompt_is_the_training_text_up_to_the_answer(
    entry: str, messages: list[Message]
) -> None:
    prompt = rendered(source(entry), messages[:-1], add_generation_prompt=True)
    assert prompt == expected(entry, messages[:-1])
    assert expected(entry, messages).startswith(prompt) or "<|channel>" in messages[-1]["content"]


@pytest.mark.parametrize(("entry", "messages"), CASES)
def test_without_a_generation_prompt_the_assistants_header_is_missing(
    entry: str, messages: list[Message]
) -> None:
    prompt = expected(entry, messages[:-1])
    for thought in (EMPTY_THOUGHT, "<|channel>thought\n<channel|>"):
        prompt = prompt.removesuffix(thought)
    assert prompt.endswith(header(entry))
    assert rendered(source(entry), messages[:-1]) == prompt.removesuffix(header(entry))


@pytest.mark.parametrize("entry", ENTRIES)
def test_an_unfinished_answer_is_continued_where_it_stops(entry: str) -> None:
    messages = [user("Q1"), assistant("par{{ 1 }}\ntial")]
    whole = expected(entry, messages)
    end = whole.rindex("tial") + len("tial")
    assert rendered(source(entry), messages, continue_final_message=True) == whole[:end]


# ms-swift refuses --system with the others.
WITH_SYSTEM = [n for n, spec in SWIFT.items() if spec.system_prefix or spec.system_in_prompt]


@pytest.mark.parametrize("name", WITH_SYSTEM)
@pytest.mark.parametrize("given", ["", "Given {{SYS}} %}'\"\n."])
def test_a_system_prompt_recorded_by_ms_swift_replaces_the_default(name: str, given: str) -> None:
    spec = SWIFT[name]
    for messages in (CONVERSATIONS["two turns"], CONVERSATIONS["system"]):
        jinja = source(f"ms-swift:{name}", system=given)
        assert rendered(jinja, messages) == swift_text(spec, messages, given=given)


@pytest.mark.parametrize("name", FACTORY)
@pytest.mark.parametrize("given", ["", "Given {{SYS}} %}'\"\n."])
def test_a_system_prompt_recorded_by_llama_factory_replaces_the_default(
    name: str, given: str
) -> None:
    for messages in (CONVERSATIONS["two turns"], CONVERSATIONS["empty system"]):
        jinja = source(f"LLaMA-Factory:{name}", system=given)
        assert rendered(jinja, messages) == factory_text(FACTORY[name], messages, given=given)


@pytest.mark.parametrize("entry", [e for e in ENTRIES if e.startswith(("torchtune:", "any:"))])
def test_a_system_prompt_asked_of_the_others_is_written_as_a_system_message(entry: str) -> None:
    asked = rendered(source(entry, system="S1"), [user("Q1")])
    assert asked == expected(entry, [system("S1"), user("Q1"), assistant("")])[: len(asked)]
    assert "S1" in asked
    assert "S1" not in rendered(source(entry, system=""), [user("Q1")])


def test_a_system_prompt_asked_of_gemma3_text_opens_the_first_message() -> None:
    jinja = source("ms-swift:gemma3_text", system="Be kind.")
    assert "<start_of_turn>user\nBe kind.\n\nQ1<end_of_turn>" in rendered(jinja, [user("Q1")])
    assert "user\nQ1<" in rendered(source("ms-swift:gemma3_text", system=""), [user("Q1")])


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_recorded_response_prefix_ends_the_prompt_only(entry: str) -> None:
    question = [user("Q1")]
    jinja = source(entry, response_prefix="Sure:\n")
    bare = rendered(source(entry, response_prefix=""), question, add_generation_prompt=True)
    assert bare.endswith(header(entry))
    assert rendered(jinja, question, add_generation_prompt=True) == bare + "Sure:\n"
    whole = CONVERSATIONS["one turn"]
    assert rendered(jinja, whole) == rendered(source(entry), whole)


@pytest.mark.parametrize("name", ["qwen3", "gemma4", "gemma4_nothinking"])
@pytest.mark.parametrize("key", ["two turns", "system", "thoughts"])
def test_ms_swift_thinks_only_when_asked(name: str, key: str) -> None:
    jinja, messages = source(f"ms-swift:{name}"), CONVERSATIONS[key]
    for cut in (messages, messages[:-1]):
        options = {"add_generation_prompt": cut is not messages}
        thinking = swift_text(SWIFT[name], cut, thinking=True)
        assert rendered(jinja, cut, **options, enable_thinking=True) == thinking
        silent = swift_text(SWIFT[name], cut)
        assert rendered(jinja, cut, **options, enable_thinking=False) == silent
        recorded = source(f"ms-swift:{name}", enable_thinking=True)
        assert rendered(recorded, cut, **options) == thinking
        assert rendered(recorded, cut, **options, enable_thinking=False) == silent


@pytest.mark.parametrize("thinking", [True, False, None])
@pytest.mark.parametrize("key", ["two turns", "system", "hostile", "thoughts"])
def test_llama_factory_thinks_unless_told_not_to(key: str, thinking: bool | None) -> None:
    jinja, messages = source("LLaMA-Factory:qwen3"), CONVERSATIONS[key]
    for cut in (messages, messages[:-1]):
        text = rendered(
            jinja, cut, enable_thinking=thinking, add_generation_prompt=cut is not messages
        )
        assert text == factory_text(FACTORY["qwen3"], cut, thinking=thinking)
    recorded = source("LLaMA-Factory:qwen3", enable_thinking=False)
    assert rendered(recorded, messages) == factory_text(FACTORY["qwen3"], messages, thinking=False)


THOUGHT_PIECES = ["<think>\n", "<think>", "\n</think>\n\n", "\n</think>\n", "</think>", "\n", "t"]


@given(st.lists(st.sampled_from(THOUGHT_PIECES), max_size=8))
def test_llama_factory_takes_whole_thoughts_out_when_told_not_to_think(pieces: list[str]) -> None:
    messages = [user("Q1"), assistant("".join(pieces)), user("Q2"), assistant("A2")]
    text = rendered(source("LLaMA-Factory:qwen3"), messages, enable_thinking=False)
    assert text == factory_text(FACTORY["qwen3"], messages, thinking=False)


@pytest.mark.parametrize("entry", ENTRIES)
def test_bos_is_written_as_the_table_says_and_never_twice(entry: str) -> None:
    row, question = template(entry), [user("Q1")]
    with_bos = rendered(row.source, question)
    assert with_bos.count(BOS) == (row.auto_bos or row.writes_bos)
    assert with_bos.startswith(BOS) == (row.auto_bos or row.writes_bos)
    without = rendered(row.source, question, bos_token=None)
    assert without == with_bos.replace(BOS, "")
    unset = with_settings(row.source, variables={"auto_bos": ""})
    assert rendered(unset, question) == (without if row.auto_bos else with_bos)


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_tokenizer_without_eos_leaves_only_that_out(entry: str) -> None:
    messages = CONVERSATIONS["two turns"]
    whole = expected(entry, messages).replace(EOS, "")
    assert rendered(source(entry), messages, eos_token=None) == whole


REFUSED: list[tuple[list[dict[str, Any]], str]] = [
    ([user("Q"), {"role": "tool", "content": "r"}], "'tool'"),
    ([user("Q"), {"role": "developer", "content": "r"}], "'developer'"),
    ([user("Q"), system("late")], "'system'"),
    ([system("S"), system("T"), user("Q")], "'system'"),
    ([{"content": "Q"}], "role"),
    ([], "no 'user' message"),
    ([{"role": "user", "content": None}], "content of message 1 is not text"),
    ([user("Q"), {"role": "assistant"}], "content of message 2 is not text"),
]


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize(("messages", "message"), REFUSED)
def test_what_is_no_conversation_is_refused_by_name(
    entry: str, messages: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(TemplateRefusal, match=message):
        rendered(source(entry), messages, add_generation_prompt=True)


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_system_message_alone_or_an_answer_as_question_is_refused(entry: str) -> None:
    with pytest.raises(TemplateRefusal, match="'user'"):
        rendered(source(entry), [system("S")], add_generation_prompt=True)
    with pytest.raises(TemplateRefusal, match="continue_final_message"):
        rendered(source(entry), CONVERSATIONS["one turn"], add_generation_prompt=True)


@pytest.mark.parametrize("entry", [e for e in ENTRIES if not e.startswith("ms-swift:")])
@pytest.mark.parametrize("messages", UNEVEN.values(), ids=UNEVEN)
def test_only_ms_swift_takes_uneven_conversations(entry: str, messages: list[Message]) -> None:
    with pytest.raises(TemplateRefusal, match="out of turn"):
        rendered(source(entry), messages)


def test_dummy_has_no_system_prompt() -> None:
    with pytest.raises(TemplateRefusal, match="no system prompt, allowed are 'user'"):
        rendered(source("ms-swift:dummy"), CONVERSATIONS["system"])


def test_the_day_in_llama3_2_is_today_unless_given() -> None:
    text = render(source("ms-swift:llama3_2"), orjson.dumps([[user("Q1")], {}]))
    assert "\nToday Date: " in text
    assert DAY not in text


@pytest.mark.parametrize("entry", ENTRIES)
def test_the_trained_end_follows_the_last_answer_and_every_one_where_the_table_says(
    entry: str,
) -> None:
    row = template(entry)
    ends = [EOS if end == TOKENIZER_EOS else end for end in row.trained_end]
    text = expected(entry, [user("Q1"), assistant("A1"), user("Q2"), assistant("A2")])
    last = text.partition("A2")[2]
    assert last.lstrip("\n").startswith("".join(ends[:1]))
    assert [last.index(end) for end in ends] == sorted(last.index(end) for end in ends)
    if ends and not row.efficient_eos and entry != "ms-swift:dummy":
        earlier = text.partition("A1")[2].partition("Q2")[0]
        assert earlier.lstrip("\n").startswith(ends[0]) == row.ends_every_turn


@pytest.mark.parametrize("entry", ENTRIES)
def test_the_next_turn_opens_with_a_token_or_a_marker_of_the_table(entry: str) -> None:
    row = template(entry)
    assert len(set(row.role_markers)) == len(row.role_markers)
    text = expected(entry, [user("Q1"), assistant("A1"), user("Q2"), assistant("A2")])
    between = text.partition("A1")[2].partition("Q2")[0]
    openings = [t.removeprefix("id:") for t in row.turn_start]
    openings += [m.strip() for m in row.role_markers]
    if entry in ("ms-swift:dummy", "LLaMA-Factory:empty"):
        assert openings == []
    else:
        assert any(opening in between for opening in openings)


@pytest.mark.parametrize("entry", ENTRIES)
def test_the_default_system_prompt_is_the_one_in_the_table(entry: str) -> None:
    row, question = template(entry), user("Q1")
    said = [system(row.default_system or ""), question]
    if row.default_system is not None:
        assert rendered(row.source, [question]) == rendered(row.source, said)
    elif entry not in ("ms-swift:dummy", "ms-swift:mistral_nemo"):
        assert rendered(row.source, [question]) == rendered(
            with_settings(row.source, system=""), [question]
        )


def test_every_row_has_a_file_and_every_file_a_row() -> None:
    package = Path(str(files("adapters.templates")))
    shared = {"conversation", "merged_conversation"}
    found = {str(p.relative_to(package).with_suffix("")) for p in package.rglob("*.jinja")}
    named = {template(entry).file or entry.replace(":", "/") for entry in ENTRIES}
    assert found == named | shared
    assert set(template_names("ms-swift")) == SWIFT.keys()
    assert set(template_names("LLaMA-Factory")) == FACTORY.keys()


def test_names_are_found_by_trainer() -> None:
    assert template("ms-swift:default").source != template("LLaMA-Factory:default").source
    dashed = find_template("ms-swift", "deepseek-coder")
    assert dashed is template("ms-swift:deepseek_coder")
    assert find_template("ms-swift", "nowhere") is None
    assert find_template("nobody", "default") is None
    assert template_names("nobody") == ()
    assert "torchtune:qwen2_5" in template_names()


@given(st.text())
def test_any_text_comes_through_settings_unchanged(text: str) -> None:
    jinja = with_settings("{{- default_system ~ other -}}", system=text, variables={"other": text})
    assert rendered(jinja, []) == text + text
    assert "\n" not in jinja.partition(" -%}\n")[0]


@pytest.mark.parametrize("name", ["", "a b", "a-%}{{1}}", "Ä", "1a"])
def test_a_name_that_is_no_variable_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no name of a template variable"):
        with_settings("", variables={name: "x"})


def test_unrecorded_settings_change_nothing() -> None:
    assert with_settings("text") == "text"
