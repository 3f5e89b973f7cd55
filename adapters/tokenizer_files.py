"""The tokenizer that lies in a model or adapter directory: its ids, special tokens and chat template.

Reads tokenizer.json and its small neighbours with the tokenizers library; no code of the directory is run. A base that
has only a sentencepiece model is converted by transformers.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from .chat_profile import MAX_TOKEN_ID
from .errors import AdapterError
from .json_file import read_json_object, read_text, refuse_link_outside

TOKENIZER_FILE = "tokenizer.json"
TOKENIZER_CONFIG_FILE = "tokenizer_config.json"
SPECIAL_TOKENS_FILE = "special_tokens_map.json"
TEMPLATE_FILE = "chat_template.jinja"
SENTENCEPIECE_FILES = ("tokenizer.model", "spiece.model")
# Gemma's, the largest in use, has 33 MB.
MAX_TOKENIZER_BYTES = 64 << 20
# Gemma's, which lists 6,400 added tokens, has 1.2 MB.
MAX_TOKENIZER_CONFIG_BYTES = 8 << 20
MAX_TEMPLATE_BYTES = 1 << 20
# How many times longer replacements may make a text; those in use replace one character by one.
MAX_GROWTH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizerFiles:
    """`ids` maps every token's text to its id, `special_ids` are those that decoding leaves out."""

    path: Path
    tokenizer: Tokenizer
    ids: Mapping[str, int]
    special_ids: frozenset[int]
    added_ids: frozenset[int]
    eos_token: str | None
    bos_token: str | None
    pad_token: str | None
    chat_template: str | None

    @property
    def eos_token_id(self) -> int | None:
        return None if self.eos_token is None else self.ids.get(self.eos_token)

    @property
    def adds_bos(self) -> bool:
        """Whether a text gets the beginning-of-sequence token without being asked for it."""
        if self.bos_token is None:
            return False
        return self._encode("x", add_special_tokens=True)[:1] == [self.ids.get(self.bos_token)]

    def token(self, token_id: int) -> str | None:
        """The text of one id, None where there is no such id."""
        if not 0 <= token_id < MAX_TOKEN_ID:
            return None
        text: str | None = self.tokenizer.id_to_token(token_id)
        return text

    def encode(self, text: str) -> list[int]:
        """Token ids of `text`, no special tokens added.

        Raises:
            AdapterError: the tokenizer fails at this text.
        """
        return self._encode(text, add_special_tokens=False)

    def _encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        with _told(self.path / TOKENIZER_FILE, AdapterError):
            ids: list[int] = self.tokenizer.encode(text, add_special_tokens=add_special_tokens).ids
        return ids


def read_tokenizer(
    path: Path, error: type[AdapterError], *, follow_links: bool = False
) -> TokenizerFiles | None:
    """The tokenizer in `path`, None where the directory has none. `follow_links` as in `read_bytes`.

    Raises:
        AdapterError: of the type `error`; a file is broken, or too large to be one.
    """
    file = path / TOKENIZER_FILE
    if file.is_file():
        tokenizer = _load(file, error, follow_links=follow_links)
    elif any((path / name).is_file() for name in SENTENCEPIECE_FILES):
        tokenizer = _convert_sentencepiece(path, error, follow_links=follow_links)
    else:
        return None
    # A training script's truncation or padding may lie in the file.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    config = _optional_json(path / TOKENIZER_CONFIG_FILE, error, follow_links=follow_links)
    special_map = _optional_json(path / SPECIAL_TOKENS_FILE, error, follow_links=follow_links)
    added = tokenizer.get_added_tokens_decoder()
    named = {
        name: _text(config.get(name)) or _text(special_map.get(name))
        for name in ("eos_token", "bos_token", "pad_token")
    }
    return TokenizerFiles(
        path=path,
        tokenizer=tokenizer,
        ids=tokenizer.get_vocab(with_added_tokens=True),
        special_ids=frozenset(token_id for token_id, token in added.items() if token.special),
        added_ids=frozenset(added),
        eos_token=named["eos_token"],
        bos_token=named["bos_token"],
        pad_token=named["pad_token"],
        chat_template=read_chat_template(path, config, error, follow_links=follow_links),
    )


def read_chat_template(
    path: Path,
    config: Mapping[str, Any],
    error: type[AdapterError],
    *,
    follow_links: bool = False,
) -> str | None:
    """The chat template of a directory: its own file, else the one in tokenizer_config.json ("default" of several).

    Raises:
        AdapterError: of the type `error`; the file is too large or no text.
    """
    file = path / TEMPLATE_FILE
    if file.is_file():
        return read_text(file, error, max_bytes=MAX_TEMPLATE_BYTES, follow_links=follow_links)
    template = config.get("chat_template")
    if isinstance(template, list):
        entries = (entry for entry in template if isinstance(entry, dict))
        named = (e.get("template") for e in entries if e.get("name") == "default")
        template = next(named, None)
    if isinstance(template, str) and len(template) > MAX_TEMPLATE_BYTES:
        raise error(path / TOKENIZER_CONFIG_FILE, "chat_template is too long to be a template")
    return template if isinstance(template, str) else None


def _load(file: Path, error: type[AdapterError], *, follow_links: bool) -> Tokenizer:
    if not follow_links:
        refuse_link_outside(file, error)
    _refuse_large(file, error)
    with _told(file, error):
        tokenizer = Tokenizer.from_file(str(file))
    if not follow_links:
        _refuse_growth(tokenizer, file, error)
    with _told(file, error):
        tokenizer.encode("x")
    return tokenizer


def _convert_sentencepiece(
    path: Path, error: type[AdapterError], *, follow_links: bool
) -> Tokenizer:
    from transformers import AutoTokenizer  # slow to import, seldom needed

    for file in path.iterdir() if not follow_links else ():
        refuse_link_outside(file, error)
        if file.name in SENTENCEPIECE_FILES:
            _refuse_large(file, error)
    with _told(path, error):
        return AutoTokenizer.from_pretrained(path, trust_remote_code=False).backend_tokenizer


def _refuse_large(file: Path, error: type[AdapterError]) -> None:
    if file.stat().st_size > MAX_TOKENIZER_BYTES:
        raise error(
            file, f"is larger than {MAX_TOKENIZER_BYTES:,} bytes, no tokenizer is that large"
        )


@contextmanager
def _told(path: Path, error: type[AdapterError]) -> Iterator[None]:
    """Whatever the tokenizers library raises, as `error`: nothing narrower than Exception, and Rust's panics."""
    try:
        yield
    except BaseException as exc:
        # A panic is no Exception, and its class cannot be imported.
        if not isinstance(exc, Exception) and type(exc).__name__ != "PanicException":
            raise
        raise error(path, f"is no tokenizer that can be used ({exc})") from exc


def _refuse_growth(tokenizer: Tokenizer, file: Path, error: type[AdapterError]) -> None:
    """Raise `error` where a chain of replacements makes a short text so long that memory ends."""
    growth = 1
    for part in (tokenizer.normalizer, tokenizer.decoder):
        steps = [] if part is None else [json.loads(part.__getstate__())]
        while steps:
            step = steps.pop()
            steps += [*step.get("normalizers", ()), *step.get("decoders", ())]
            if step["type"] == "Replace":
                growth *= max(1, len(step["content"]))
            elif step["type"] == "Precompiled":
                growth *= MAX_GROWTH // 2  # what its table does is not looked at: once is enough
    if growth > MAX_GROWTH:
        raise error(file, f"its replacements make a text more than {MAX_GROWTH} times longer")


def _optional_json(path: Path, error: type[AdapterError], *, follow_links: bool) -> dict[str, Any]:
    if not path.is_file():
        return {}
    return read_json_object(
        path, error, max_bytes=MAX_TOKENIZER_CONFIG_BYTES, follow_links=follow_links
    )


def _text(token: object) -> str | None:
    """A special token as its text: transformers writes it plain, or as an object with `content`."""
    if isinstance(token, dict):
        token = token.get("content")
    return token if isinstance(token, str) and token else None
