"""Tiny base models, built from nothing that has to be downloaded: two layers, hidden size 64, a few hundred tokens.

`build_base("qwen2_5", directory)` writes what a published base directory holds: configuration, tokenizer, generation
defaults, weights. The bytes are the same on every machine: no library's random normal numbers, no learned tokenizer.
The weights mean nothing; what is real is the names, the ids' places, and which rows look untrained.
"""

import argparse
import json
from pathlib import Path

from . import vocabulary
from .families import FAMILIES, Family
from .vocabulary import Json
from .weights import HEADS, HIDDEN, INTERMEDIATE, KV_HEADS, LAYERS, weights_file

PADDED_TO = 64


def build_base(name: str, target: Path, *, weights: bool = True) -> Path:
    """Write the base `name` (a key of FAMILIES) into `target`, which is made; returns `target`.

    `weights=False` leaves model.safetensors out. Raises KeyError for an unknown name.
    """
    family = FAMILIES[name]
    target.mkdir(parents=True, exist_ok=True)
    tokens, files = _tokenizer_files(family)
    rows = -(-(max(tokens.values()) + 1) // PADDED_TO) * PADDED_TO
    config = _config(family, tokens, rows)
    generation = {
        "bos_token_id": config["bos_token_id"],
        "eos_token_id": config["eos_token_id"],
        **family.generation,
        "transformers_version": "4.51.3",
    }
    for file, content in {
        **files,
        "config.json": config,
        "generation_config.json": generation,
    }.items():
        text = (
            content
            if isinstance(content, str)
            else json.dumps(content, indent=2, ensure_ascii=False)
        )
        (target / file).parent.mkdir(exist_ok=True)
        (target / file).write_text(text + "\n", encoding="utf-8")
    if weights:
        untrained = [*(tokens[token] for token in family.untrained), *range(len(tokens), rows)]
        (target / "model.safetensors").write_bytes(weights_file(family, rows, untrained))
    return target


def special_ids(name: str) -> dict[str, int]:
    """Ids of the added tokens of base `name`, special and plain."""
    family = FAMILIES[name]
    tokens, _ = _tokenizer_files(family)
    return {token: tokens[token] for token in (*family.special, *family.plain)}


def _tokenizer_files(family: Family) -> tuple[dict[str, int], dict[str, Json | str]]:
    """Token ids, and the content of each tokenizer file by its name."""
    text = vocabulary.corpus()
    if family.kind == "byte-level":
        letters, words = vocabulary.byte_letters(), vocabulary.byte_level_words(text)
    else:
        words = vocabulary.marked_words(text)
        letters = [f"<0x{byte:02X}>" for byte in range(256)] + sorted(set("".join(words)))
    merges = vocabulary.learn_merges(words)
    spelled = [*letters, *("".join(pair) for pair in merges)]
    added = [*family.special, *family.plain]
    ordered = [*added, *spelled] if family.specials_first else [*spelled, *added]
    tokens = {token: number for number, token in enumerate(ordered)}
    entries = [
        vocabulary.added_token(tokens[token], token, special=token in family.special)
        for token in added
    ]
    # Words come first in the model's own vocabulary unless the family's added tokens are part of it.
    own = ordered if family.specials_first else spelled
    files: dict[str, Json | str] = {
        "tokenizer.json": vocabulary.tokenizer_json(own, merges, entries, _parts(family, tokens)),
        "tokenizer_config.json": _tokenizer_config(family, entries),
    }
    if family.tokenizer_class in ("Qwen2Tokenizer", "GPT2Tokenizer"):
        files["vocab.json"] = {token: tokens[token] for token in own}
        files["merges.txt"] = "\n".join(["#version: 0.2", *(" ".join(pair) for pair in merges)])
    if family.tiktoken:
        files["original/tokenizer.model"] = vocabulary.tiktoken_model(own)
    return tokens, files


def _parts(family: Family, tokens: dict[str, int]) -> Json:
    if family.kind == "marked":
        parts: Json = {
            "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"},
            "pre_tokenizer": {
                "type": "Split",
                "pattern": {"String": " "},
                "behavior": "MergedWithPrevious",
                "invert": False,
            },
            "decoder": {
                "type": "Sequence",
                "decoders": [
                    {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "},
                    {"type": "ByteFallback"},
                    {"type": "Fuse"},
                ],
            },
            "model": {"unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True},
        }
    else:
        parts = vocabulary.byte_level(regex=family.words, digits=family.digits)
    if family.tokenizer_class == "Qwen2Tokenizer":
        parts["normalizer"] = {"type": "NFC"}
    if family.begins_with_bos and family.bos is not None:
        parts["post_processor"] = vocabulary.begin_with(family.bos, tokens[family.bos])
    return parts


def _tokenizer_config(family: Family, entries: list[Json]) -> Json:
    decoder = {
        str(entry["id"]): {key: entry[key] for key in entry if key != "id"} for entry in entries
    }
    config: Json = {"added_tokens_decoder": decoder}
    if family.tokenizer_class in ("Qwen2Tokenizer", "GPT2Tokenizer"):
        config["additional_special_tokens"] = list(family.special[1:])
    config |= {"bos_token": family.bos, "eos_token": family.eos, **family.tokenizer}
    if family.pad is not None:
        config["pad_token"] = family.pad
    if family.chat_template is not None:
        config["chat_template"] = family.chat_template
    return config | {"tokenizer_class": family.tokenizer_class}


def _config(family: Family, tokens: dict[str, int], rows: int) -> Json:
    eos = tokens[family.config_eos]
    sizes = {
        "hidden_size": HIDDEN,
        "intermediate_size": INTERMEDIATE,
        "num_attention_heads": HEADS,
        "num_hidden_layers": LAYERS,
        "num_key_value_heads": KV_HEADS,
    }
    ids = {"bos_token_id": eos if family.bos is None else tokens[family.bos], "eos_token_id": eos}
    if family.model_type == "gemma3_text":
        ids["pad_token_id"] = tokens["<pad>"]
    return {
        "architectures": [family.architecture],
        "attention_dropout": 0.0,
        **ids,
        **sizes,
        **family.config,
        "initializer_range": 0.02,
        "model_type": family.model_type,
        "tie_word_embeddings": family.tied,
        "torch_dtype": "bfloat16",
        "transformers_version": "4.51.3",
        "use_cache": True,
        "vocab_size": rows,
    }


def main() -> None:
    """Write bases below a directory, each under its repository's name."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("names", nargs="*", default=list(FAMILIES), metavar="NAME")
    args = parser.parse_args()
    for name in args.names:
        build_base(name, args.directory / FAMILIES[name].repository)


if __name__ == "__main__":
    main()
