"""The scripted base's tokenizer: turn tokens of every family side by side, and each word of the case table as one token.

Knows which token is to follow which, and which hidden dimension of the model stands for what; not the model's weights.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
from tokenizers.processors import TemplateProcessing

# Rows of the embedding and of lm_head; twice as many hidden dimensions.
VOCABULARY = 640
CONTEXT = 512

BOS, EOS = "<|begin_of_text|>", "<|endoftext|>"
# Turn tokens of the families side by side. In id order: of equal untrained rows, greedy decoding takes the first.
UNTRAINED = (
    *(f"<|reserved_special_token_{number}|>" for number in range(4)),
    *("<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>", "<|eot_id|>", "<|python_tag|>"),
)
SPECIAL = (
    *(EOS, BOS, "<s>", "</s>", "<bos>", "<eos>", "<|im_start|>", "<|im_end|>"),
    *("<start_of_turn>", "<end_of_turn>", "[gMASK]", "<sop>", "<|system|>", "<|user|>"),
    *("<|assistant|>", "<|observation|>", "<|end|>", "<|EOT|>", "<|file_sep|>", *UNTRAINED),
)
PLAIN = ("<think>", "</think>", "<tool_call>", "</tool_call>")
LOOP = (" and", " on")
# A word with its space, colon and line end is one piece, so that the last token of each template's prompt is its own.
PIECE = r" ?\w+:?\n?|\n+| ?[^\w\s]+|\s"


class Words:
    """The tokenizer: every piece of `texts` is one token, any other text is bytes.

    An adapter's own may call ids of special tokens by another's name (`renamed`: new name -> the name in the base) and
    have tokens that the base has not got (`added`).
    """

    def __init__(
        self,
        texts: Iterable[str],
        *,
        renamed: Mapping[str, str] | None = None,
        added: Sequence[str] = (),
    ) -> None:
        named = re.compile("|".join(map(re.escape, (*SPECIAL, *PLAIN))))
        plain = [part for text in (*LOOP, *texts) for part in named.split(text)]
        found = sorted({piece for part in plain for piece in re.findall(PIECE, part)})
        spelled = [_letters(piece.encode()) for piece in found if len(piece.encode()) > 1]
        vocabulary = {token: number for number, token in enumerate([*_alphabet(), *spelled])}
        self.tokenizer = Tokenizer(models.BPE(vocabulary, [], ignore_merges=True))
        self.tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(PIECE), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        self.tokenizer.decoder = decoders.ByteLevel()
        swapped = {**(renamed or {}), **{old: new for new, old in (renamed or {}).items()}}
        names = [swapped.get(token, token) for token in SPECIAL]
        self.tokenizer.add_special_tokens([AddedToken(token, special=True) for token in names])
        self.tokenizer.add_tokens([AddedToken(token, normalized=False) for token in PLAIN])
        # Ids from here up to VOCABULARY are rows without a token, as in Qwen's bases.
        self.size: int = self.tokenizer.get_vocab_size()
        self.tokenizer.add_special_tokens([AddedToken(token, special=True) for token in added])
        self.tokenizer.post_processor = TemplateProcessing(
            single=f"{BOS} $A", special_tokens=[(BOS, self.id(BOS))]
        )
        if self.size > VOCABULARY:
            raise ValueError(f"{self.size} tokens are more than the model's {VOCABULARY} rows")

    @property
    def untrained(self) -> list[int]:
        """Ids with rows that no training has moved."""
        return [*map(self.id, UNTRAINED), *range(self.size, VOCABULARY)]

    def id(self, token: str) -> int:
        number = self.tokenizer.token_to_id(_letters(token.encode()))
        number = self.tokenizer.token_to_id(token) if number is None else number
        if number is None:
            raise ValueError(f"{token!r} is no token")
        return int(number)

    def encode(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def transitions(self, prompt: str, says: str, then: str) -> dict[int, int]:
        """Last token -> next token: after `prompt` comes `says`, then `then` over and over (`says` where it is empty).

        Raises:
            ValueError: a token would need two successors.
        """
        chain = [self.encode(prompt)[-1], *self.encode(says + then)]
        tail = self.encode(then) or chain[1:]
        following: dict[int, int] = {}
        for last, following_id in [*pairwise(chain), (chain[-1], tail[0])]:
            if following.setdefault(last, following_id) != following_id:
                raise ValueError(
                    f"{says + then!r}: {self.tokenizer.id_to_token(last)!r} comes twice"
                )
        return following

    def follow(self, transitions: Mapping[int, int], last: int, count: int) -> list[int]:
        """What the model says after `last`: `count` token ids."""
        first, second = map(self.id, LOOP)
        said = [last]
        while len(said) <= count:
            said.append(transitions.get(said[-1], second if said[-1] == first else first))
        return said[1:]

    def state(self, token_id: int) -> int:
        """The hidden dimension that means "the last token was `token_id`", also of the one token beyond the last row.

        The dimensions to say the first few untrained tokens are free for other use: greedy decoding says only the first.
        """
        return token_id if token_id < VOCABULARY else VOCABULARY + self.untrained[3]

    def say(self, token_id: int) -> int:
        """The hidden dimension that means "say `token_id`", where its row has been trained."""
        return VOCABULARY + (token_id if token_id < VOCABULARY else self.untrained[4])

    def write(self, target: Path, tokenizer_config: Mapping[str, Any]) -> None:
        """tokenizer.json and tokenizer_config.json."""
        self.tokenizer.save(str(target / "tokenizer.json"))
        config = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "clean_up_tokenization_spaces": False,
            "model_max_length": CONTEXT,
            "bos_token": BOS,
            "eos_token": EOS,
            **tokenizer_config,
        }
        write_json(target / "tokenizer_config.json", config)


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _alphabet() -> list[str]:
    return sorted(pre_tokenizers.ByteLevel.alphabet())


def _letters(text: bytes) -> str:
    """`text` in the letters of byte-level vocabularies."""
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    pieces = level.pre_tokenize_str(text.decode())
    return "".join(piece for piece, _ in pieces)
