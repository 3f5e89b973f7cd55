"""Which token ids end an answer.

Here: what the base model's own files say, which is also what plain vLLM stops on: the tokenizer's EOS and the EOS ids
of generation_config.json, config.json's only where that file is missing (vLLM PRs #4182 and #5954).
"""

from .base_files import CONFIG_FILE, GENERATION_CONFIG_FILE, BaseFiles
from .errors import ModelFilesError


def base_end_of_turn_ids(base: BaseFiles, tokenizer_eos_id: int | None) -> tuple[int, ...]:
    """Every id the base's files call end of sequence, the tokenizer's first.

    Raises:
        ModelFilesError: an eos_token_id is no token id.
    """
    if base.generation_config is not None:
        name, value = GENERATION_CONFIG_FILE, base.generation_config.get("eos_token_id")
    else:
        name, value = CONFIG_FILE, base.config.get("eos_token_id")
    ids = value if isinstance(value, list) else [] if value is None else [value]
    for item in ids:
        if not isinstance(item, int) or isinstance(item, bool) or item < 0:
            raise ModelFilesError(
                base.path / name, f"eos_token_id must be token ids, found {item!r}"
            )
    first = [] if tokenizer_eos_id is None else [tokenizer_eos_id]
    return tuple(dict.fromkeys([*first, *ids]))
