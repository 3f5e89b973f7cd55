"""A prompt of a text completion: as text or as token ids in, token ids out, and where in the text each token begins.

Pure, and slow for long texts: call it in a thread.
"""

from dataclasses import dataclass

from .detokenizer import Detokenizer
from .tokenizer import ChatTokenizer


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPrompt:
    """`text` is what the client sent, or what its ids say; `token_starts` are characters of it, one a token.

    Both are empty where nobody asks for them.
    """

    token_ids: list[int]
    text: str = ""
    token_starts: tuple[int, ...] = ()


def prompt_of_text(tokenizer: ChatTokenizer, text: str, *, add_special_tokens: bool) -> TextPrompt:
    """The prompt that `text` is. A token that was added to it begins where it was added, and is no part of the text."""
    encoding = tokenizer.encoding(text, add_special_tokens=add_special_tokens)
    starts: list[int] = []
    end = 0
    for (token_start, token_end), is_added in zip(
        encoding.offsets, encoding.special_tokens_mask, strict=True
    ):
        if is_added:
            starts.append(end)
            continue
        starts.append(_with_white_space(text, token_start, end))
        end = max(end, token_end)
    return TextPrompt(token_ids=encoding.ids, text=text, token_starts=tuple(starts))


def _with_white_space(text: str, start: int, end: int) -> int:
    """Where a token begins: some tokenizers cut the white space before a word off the word's place."""
    while start > end and text[start - 1].isspace():
        start -= 1
    return start


def prompt_of_ids(tokenizer: ChatTokenizer, token_ids: list[int]) -> TextPrompt:
    """The prompt that `token_ids` are; special tokens are part of its text."""
    detokenizer = Detokenizer(tokenizer.tokenizer, skip_special_tokens=False)
    pieces: list[str] = []
    starts: list[int] = []
    num_chars = 0
    for token_id in token_ids:
        starts.append(num_chars)
        pieces.append(detokenizer.feed(token_id))
        num_chars += len(pieces[-1])
    return TextPrompt(token_ids=token_ids, text="".join(pieces), token_starts=tuple(starts))
