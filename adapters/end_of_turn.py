"""Which token ids end an answer, each with the reason.

`base_end_of_turn_ids` is what plain vLLM stops on: the tokenizer's EOS and the EOS ids of generation_config.json,
config.json's only where that file is missing (vLLM PRs #4182 and #5954). `end_of_turn_ids` is what an adapter needs:
the union of everything its files, its template and its family call an end, less what may stand inside an answer.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .base_files import CONFIG_FILE, GENERATION_CONFIG_FILE, BaseFiles
from .chat_profile import MAX_TOKEN_ID, EndOfTurnId
from .errors import ModelFilesError
from .template_turns import Turns
from .tokenizer_files import TokenizerFiles

# Ends of generation by name, as llama.cpp knows them: an added token with such a text is one in every family.
END_TOKENS = frozenset(
    {"<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>"}
    | {"<end_of_turn>", "<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]"}
    | {"<|end_of_text|>", "<end_of_utterance>", "<eos>", "<turn|>", "<|tool_response>"}
    | {"<|EOT|>", "<\uff5cend\u2581of\u2581sentence\uff5c>"}
)
# In the harmony format `<|end|>` only ends a message of the turn.
HARMONY = frozenset({"<|return|>", "<|call|>"})
# Tool and thinking tokens: never an end, trained or not.
NEVER_ENDS = frozenset(
    {"<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>"}
    | {"<|tool_call|>", "<|tool_calls|>", "<|python_tag|>", "<|tool_call>", "<tool_call|>"}
    | {"[TOOL_CALLS]", "[THINK]", "[/THINK]", "<|channel|>", "<|message|>", "<|constrain|>"}
)
# Roles that open the next turn where no token closes the last (GLM-4, ChatGLM3, Phi-3).
ROLE_TOKENS = ("<|user|>", "<|observation|>")


@dataclass(frozen=True, slots=True, kw_only=True)
class EndOfTurnSources:
    """What the union is made of. `untrained` are ids to stop on because their output rows are, or may be,
    untrained as the turn end's is."""

    base: BaseFiles
    base_tokenizer: TokenizerFiles
    tokenizer: TokenizerFiles
    turns: Turns
    template: str
    stop_words: tuple[str, ...] = ()
    adapter_eos_ids: tuple[int, ...] = ()
    untrained: frozenset[int] = frozenset()
    untrained_why: str = ""


def base_end_of_turn_ids(base: BaseFiles, tokenizer_eos_id: int | None) -> tuple[int, ...]:
    """Every id the base's files call end of sequence, the tokenizer's first.

    Raises:
        ModelFilesError: an eos_token_id is no token id.
    """
    if base.generation_config is not None:
        ids = eos_ids(base.generation_config, base.path / GENERATION_CONFIG_FILE)
    else:
        ids = eos_ids(base.config, base.path / CONFIG_FILE)
    first = [] if tokenizer_eos_id is None else [tokenizer_eos_id]
    return tuple(dict.fromkeys([*first, *ids]))


def eos_ids(config: Mapping[str, Any], path: Path) -> tuple[int, ...]:
    """The `eos_token_id` of a config, one or several.

    Raises:
        ModelFilesError: it is no token id.
    """
    value = config.get("eos_token_id")
    ids = value if isinstance(value, list) else [] if value is None else [value]
    for item in ids:
        if not isinstance(item, int) or isinstance(item, bool) or not 0 <= item < MAX_TOKEN_ID:
            raise ModelFilesError(path, f"eos_token_id must be token ids, found {item!r:.80}")
    return tuple(ids)


def end_of_turn_ids(sources: EndOfTurnSources) -> tuple[EndOfTurnId, ...]:
    """The ids that end an answer, the trained end first; the first reason found for an id is kept."""
    tokenizer = sources.tokenizer
    kept: dict[int, EndOfTurnId] = {}
    never = {tokenizer.ids[t] for t in NEVER_ENDS | sources.turns.inside if t in tokenizer.ids}
    never -= {tokenizer.ids[t] for t in sources.turns.trained_end if t in tokenizer.ids}
    for token_id, why in _candidates(sources):
        token = tokenizer.token(token_id)
        if token is None and token_id not in sources.untrained:
            continue  # a config names an id that no tokenizer has; the engine refuses to stop on it
        if token_id not in kept and token_id not in never:
            kept[token_id] = EndOfTurnId(id=token_id, token=token or "", why=why)
    return tuple(kept.values())


def _candidates(sources: EndOfTurnSources) -> Iterator[tuple[int, str]]:
    tokenizer, turns, base = sources.tokenizer, sources.turns, sources.base
    yield from _named(turns.trained_end, tokenizer, f"turn end of template {sources.template}")
    yield from _ids([tokenizer.eos_token_id], "EOS of the adapter's tokenizer")
    base_eos = sources.base_tokenizer.eos_token_id
    if sources.base_tokenizer is not tokenizer:
        yield from _ids([base_eos], "EOS of the base's tokenizer")
    yield from _ids(sources.adapter_eos_ids, "EOS in the adapter's generation_config.json")
    generation = base.generation_config or {}
    yield from _ids(
        eos_ids(generation, base.path / GENERATION_CONFIG_FILE), "EOS in generation_config.json"
    )
    yield from _ids(eos_ids(base.config, base.path / CONFIG_FILE), "EOS in config.json")
    yield from _named(sources.stop_words, tokenizer, f"stop word of template {sources.template}")
    yield from _named(turns.turn_start, tokenizer, f"opens a turn of template {sources.template}")
    yield from _ids(_family_ends(tokenizer), "ends a turn in the model's family")
    if any(role in turns.turn_start for role in ROLE_TOKENS):
        yield from _named(ROLE_TOKENS, tokenizer, "opens the next role's turn")
    yield from _ids(sorted(sources.untrained), sources.untrained_why)


def _ids(ids: Iterable[int | None], why: str) -> Iterator[tuple[int, str]]:
    return ((token_id, why) for token_id in ids if token_id is not None)


def _named(tokens: Iterable[str], tokenizer: TokenizerFiles, why: str) -> Iterator[tuple[int, str]]:
    return ((tokenizer.ids[token], why) for token in tokens if token in tokenizer.ids)


def _family_ends(tokenizer: TokenizerFiles) -> list[int]:
    """Tokens that are an end by name. An ordinary word never is, nor is markup: Gemma has `</s>` as HTML's tag."""
    names = END_TOKENS
    if all(token in tokenizer.ids for token in HARMONY):
        names = names - {"<|end|>"}
    ids = {token: tokenizer.ids[token] for token in sorted(names) if token in tokenizer.ids}
    return [
        token_id
        for token, token_id in ids.items()
        if token_id in tokenizer.special_ids
        or (token_id in tokenizer.added_ids and token.startswith("<|"))
    ]
