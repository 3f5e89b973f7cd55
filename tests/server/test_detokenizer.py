"""Ids to text: never half a character, and decoding survives what tokenizers cannot continue."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.detokenizer import Detokenizer
from tests.fakes import EOS, byte_tokenizer, ids

TOKENIZER = byte_tokenizer()


@given(st.text(max_size=30))
def test_pieces_join_to_the_text_and_hold_whole_characters(text: str) -> None:
    detokenizer = Detokenizer(TOKENIZER, skip_special_tokens=True)
    pieces = [detokenizer.feed(token_id) for token_id in ids(text)]
    assert "".join(pieces) == text
    assert not any("\ufffd" in piece for piece in pieces if "\ufffd" not in text)


def test_special_tokens_are_skipped_only_when_asked() -> None:
    assert Detokenizer(TOKENIZER, skip_special_tokens=True).feed(EOS) == ""
    assert Detokenizer(TOKENIZER, skip_special_tokens=False).feed(EOS) == "<eos>"


class BrokenStream:
    """Fails as tokenizers does where earlier text changes by a later byte."""

    def __init__(self, message: str) -> None:
        self.message = message

    def step(self, *_: object) -> str:
        raise Exception(self.message)  # noqa: TRY002  (what tokenizers raises)


def test_decoding_starts_afresh_after_an_invalid_prefix() -> None:
    detokenizer = Detokenizer(TOKENIZER, skip_special_tokens=True)
    detokenizer._stream = BrokenStream("Invalid prefix encountered")  # type: ignore[assignment]  # a stub
    assert detokenizer.feed(ord("a")) == "a"


def test_other_failures_are_not_hidden() -> None:
    detokenizer = Detokenizer(TOKENIZER, skip_special_tokens=True)
    detokenizer._stream = BrokenStream("something else")  # type: ignore[assignment]  # a stub
    with pytest.raises(Exception, match="something else"):
        detokenizer.feed(ord("a"))
