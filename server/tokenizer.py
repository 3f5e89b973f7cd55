"""A tokenizer as the server needs it: the fast tokenizer itself and the few special tokens that templates ask for."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tokenizers import Encoding, Tokenizer

# How byte-fallback vocabularies spell a single byte.
_BYTE_TOKEN = re.compile(r"<0x([0-9A-F]{2})>")


def _byte_level_alphabet() -> dict[str, int]:
    """GPT-2's spelling of bytes: printable Latin-1 stands for itself, the others were moved up from 256 in order."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    moved = [byte for byte in range(256) if byte not in printable]
    spelled = {chr(byte): byte for byte in printable}
    return spelled | {chr(256 + at): byte for at, byte in enumerate(moved)}


_BYTE_LEVEL = _byte_level_alphabet()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatTokenizer:
    """Immutable, shared by requests and threads. `special_ids` maps the text of every special token to its id."""

    tokenizer: Tokenizer
    eos_token_id: int | None
    special_tokens: dict[str, str] = field(default_factory=dict)
    special_ids: dict[str, int] = field(default_factory=dict)
    vocab_size: int = 0
    chat_template: str | None = None

    def with_special_tokens(self, names: Mapping[str, str]) -> "ChatTokenizer":
        """The same tokenizer for a template that means other tokens by these names."""
        if not names:
            return self
        return replace(self, special_tokens={**self.special_tokens, **names})

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes one token stands for; half a character is no text, but bytes all the same."""
        token: str | None = self.tokenizer.id_to_token(token_id)
        if token is None:
            return b""
        if (written := _BYTE_TOKEN.fullmatch(token)) is not None:
            return bytes([int(written[1], 16)])
        text: str = self.tokenizer.decode([token_id], skip_special_tokens=False)
        if "\ufffd" in text and all(char in _BYTE_LEVEL for char in token):
            return bytes(_BYTE_LEVEL[char] for char in token)
        return text.encode()

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """Token ids of `text`; a beginning-of-sequence token that the text already carries is not doubled."""
        ids: list[int] = self.encoding(text, add_special_tokens=add_special_tokens).ids
        return ids

    def encoding(self, text: str, *, add_special_tokens: bool) -> Encoding:
        """The same, with what the tokenizer says of each token."""
        bos = self.special_tokens.get("bos_token")
        if add_special_tokens and bos and text.startswith(bos):
            add_special_tokens = False
        return self.tokenizer.encode(text, add_special_tokens=add_special_tokens)

    def decode(self, token_ids: list[int], *, skip_special_tokens: bool) -> str:
        """Text of `token_ids`."""
        text: str = self.tokenizer.decode(token_ids, skip_special_tokens=skip_special_tokens)
        return text
