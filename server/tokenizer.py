"""A tokenizer as the server needs it: the fast tokenizer itself and the few special tokens that templates ask for."""

from dataclasses import dataclass, field

from tokenizers import Tokenizer


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatTokenizer:
    """Immutable, shared by requests and threads. `special_ids` maps the text of every special token to its id."""

    tokenizer: Tokenizer
    eos_token_id: int | None
    special_tokens: dict[str, str] = field(default_factory=dict)
    special_ids: dict[str, int] = field(default_factory=dict)
    vocab_size: int = 0
    chat_template: str | None = None

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """Token ids of `text`; a beginning-of-sequence token that the text already carries is not doubled."""
        bos = self.special_tokens.get("bos_token")
        if add_special_tokens and bos and text.startswith(bos):
            add_special_tokens = False
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=add_special_tokens).ids
        return ids

    def decode(self, token_ids: list[int], *, skip_special_tokens: bool) -> str:
        """Text of `token_ids`."""
        text: str = self.tokenizer.decode(token_ids, skip_special_tokens=skip_special_tokens)
        return text
