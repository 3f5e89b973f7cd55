from pathlib import Path

import pytest
from tokenizers import Regex, Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import Split

from adapters.answer_tokens import SkippedAnswer, TokenizedAnswers, tokenize_answers
from adapters.conversations import Conversation, Message
from adapters.tokenizer_files import TokenizerFiles

PLAIN = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}"
    "Q: {{ m.content }}\n{% else %}A: {{ m.content }}\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}A:{% endif %}"
)
MERGED = ": "


def characters(merge: bool = False) -> TokenizerFiles:
    """One token a character; with `merge` a colon and the space after it are one token."""
    text = "abcdefghijklmnopqrstuvwxyzAQ:. \n<>"
    vocabulary = {char: i for i, char in enumerate(text)} | {MERGED: len(text)}
    tokenizer = Tokenizer(BPE(vocabulary, [(":", " ")] if merge else []))
    if not merge:
        tokenizer.pre_tokenizer = Split(Regex("."), "isolated")
    return TokenizerFiles(
        path=Path("base"),
        tokenizer=tokenizer,
        ids=tokenizer.get_vocab(),
        special_ids=frozenset(),
        added_ids=frozenset(),
        eos_token=None,
        bos_token="<",
        pad_token=None,
        chat_template=None,
    )


def conversation(*texts: str, line: int = 1) -> Conversation:
    roles = ("user", "assistant") * len(texts)
    messages = [
        Message("user" if r == "user" else "assistant", t)
        for r, t in zip(roles, texts, strict=False)
    ]
    return Conversation(line=line, messages=tuple(messages))


def texts(found: TokenizedAnswers, tokenizer: TokenizerFiles) -> list[tuple[str, str]]:
    def text(ids: tuple[int, ...]) -> str:
        return "".join(tokenizer.token(i) or "?" for i in ids)

    return [(text(a.prompt_ids), text(a.token_ids)) for a in found.answers]


def test_every_answer_follows_the_prompt_that_is_served() -> None:
    tokenizer = characters()
    found = tokenize_answers(
        [conversation("hi", "yes.", "and", "no."), conversation("so", "ok.", line=7)],
        PLAIN,
        tokenizer,
        max_tokens=100,
    )
    assert texts(found, tokenizer) == [
        ("<Q: hi\nA:", " yes."),
        ("<Q: hi\nA: yes.\nQ: and\nA:", " no."),
        ("<Q: so\nA:", " ok."),
    ]
    assert [answer.line for answer in found.answers] == [1, 1, 7]


def test_a_token_over_the_border_is_split_there_as_in_serving() -> None:
    """The prompt ends in ":" as served, so the answer begins with the space, though the trainer's text joins them."""
    tokenizer = characters(merge=True)
    found = tokenize_answers([conversation("hi", "yes.")], PLAIN, tokenizer, max_tokens=100)
    assert texts(found, tokenizer) == [("<Q: hi\nA:", " yes.")]


def test_white_space_that_the_template_drops_is_not_in_the_answer() -> None:
    template = PLAIN.replace("A: {{ m.content }}", "A: {{ m.content.strip() }}")
    tokenizer = characters()
    found = tokenize_answers([conversation("hi", " yes. ")], template, tokenizer, max_tokens=100)
    assert texts(found, tokenizer) == [("<Q: hi\nA:", " yes.")]


def test_a_prompt_that_opens_the_answer_otherwise_is_followed_by_the_answer_alone() -> None:
    template = PLAIN.replace("%}A:{% endif", "%}A: <>{% endif")
    tokenizer = characters()
    found = tokenize_answers([conversation("hi", "yes.")], template, tokenizer, max_tokens=100)
    assert texts(found, tokenizer) == [("<Q: hi\nA: <>", "yes.")]


@pytest.mark.parametrize(
    ("template", "max_tokens", "reason"),
    [
        (PLAIN, 10, "14 tokens, over 10"),
        (PLAIN.replace("A: {{ m.content }}", "A: no"), 100, "writes another answer"),
        ("{{ raise_exception('only one turn') }}", 100, "refuses it: only one turn"),
    ],
)
def test_an_answer_that_cannot_be_used_is_named_with_its_reason(
    template: str, max_tokens: int, reason: str
) -> None:
    found = tokenize_answers(
        [conversation("hi", "yes.", line=3)], template, characters(), max_tokens=max_tokens
    )
    assert found.answers == ()
    (skipped,) = found.skipped
    assert isinstance(skipped, SkippedAnswer)
    assert skipped.line == 3
    assert reason in skipped.reason
