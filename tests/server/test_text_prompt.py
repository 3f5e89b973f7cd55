"""Where the tokens of a prompt begin in its text: for each way that tokenizers treat bytes, spaces and special tokens."""

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers.processors import ByteLevel, Sequence, TemplateProcessing

from server.text_prompt import prompt_of_ids, prompt_of_text
from server.tokenizer import ChatTokenizer
from tests.fakes import BOS, EOS, byte_tokenizer, chat_tokenizer, ids


def words() -> ChatTokenizer:
    """Whole words with the space before them, as sentencepiece spells them."""
    vocab = {"<unk>": 0, "▁How": 1, "▁are": 2, "▁you": 3, "<0xC3>": 4, "<0xA9>": 5, "<s>": 6}
    tokenizer = Tokenizer(models.WordLevel(vocab, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])
    tokenizer.add_special_tokens([AddedToken("<s>", special=True)])
    tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 6)])
    return ChatTokenizer(tokenizer=tokenizer, eos_token_id=None)


def trimmed() -> ChatTokenizer:
    """A byte-level tokenizer that cuts spaces off the places it reports, and adds an end."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {char: i for i, char in enumerate(alphabet)} | {"Ġb": 256, "Ġbc": 257}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[("Ġ", "b"), ("Ġb", "c")]))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken("</s>", special=True)])
    ends = TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 258)])
    tokenizer.post_processor = Sequence([ByteLevel(trim_offsets=True), ends])
    return ChatTokenizer(tokenizer=tokenizer, eos_token_id=None)


@pytest.mark.parametrize(
    ("tokenizer", "text", "starts"),
    [
        (chat_tokenizer(), "aé👍b", (0, 0, 1, 1, 2, 2, 2, 2, 3)),
        (chat_tokenizer(), "<bos>a", (0, 5)),
        (chat_tokenizer(), "a<eos>b", (0, 0, 1, 6)),
        (chat_tokenizer(), "", (0,)),
        (words(), "How are you", (0, 0, 3, 7)),
        (trimmed(), "a bc b", (0, 1, 4, 6)),
        (trimmed(), "e\u0301 b", (0, 0, 2, 4)),
    ],
    ids=["bytes", "own-bos", "special", "empty", "metaspace", "trimmed", "normalised"],
)
def test_tokens_of_a_text_begin_where_it_says_what_they_say(
    tokenizer: ChatTokenizer, text: str, starts: tuple[int, ...]
) -> None:
    prompt = prompt_of_text(tokenizer, text, add_special_tokens=True)
    assert prompt.text == text
    assert prompt.token_starts == starts
    assert len(prompt.token_ids) == len(starts)


def test_a_text_has_the_ids_that_it_has_without_an_echo() -> None:
    tokenizer = chat_tokenizer()
    for text in ("a", "<bos>a", ""):
        for add in (True, False):
            prompt = prompt_of_text(tokenizer, text, add_special_tokens=add)
            assert prompt.token_ids == tokenizer.encode(text, add_special_tokens=add)


@pytest.mark.parametrize(
    ("tokenizer", "token_ids", "text", "starts"),
    [
        (chat_tokenizer(), [BOS, *ids("é"), EOS, 97], "<bos>é<eos>a", (0, 5, 5, 6, 11)),
        (chat_tokenizer(), [*ids("é")[:1]], "", (0,)),
        (words(), [6, 1, 2, 4, 5], "<s> How are\u00e9", (0, 3, 7, 11, 11)),
    ],
)
def test_tokens_of_ids_begin_where_they_are_decoded(
    tokenizer: ChatTokenizer, token_ids: list[int], text: str, starts: tuple[int, ...]
) -> None:
    prompt = prompt_of_ids(tokenizer, token_ids)
    assert prompt.text == text
    assert prompt.token_starts == starts
    assert prompt.token_ids == token_ids


def test_the_byte_tokenizer_decodes_what_it_encoded() -> None:
    text = "any text, é and 👍"
    tokenizer = chat_tokenizer()
    token_ids = byte_tokenizer().encode(text, add_special_tokens=False).ids
    assert prompt_of_ids(tokenizer, token_ids).text == text
