"""An adapter's tokenizer against its base's, id by id (cause D5: Unsloth's `map_eos_token` renames tokens in place)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from .tokenizer_files import TokenizerFiles


@dataclass(frozen=True, slots=True, kw_only=True)
class RenamedToken:
    """One id that means another text to the adapter than to its base."""

    id: int
    base: str
    adapter: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizerDiff:
    """`added` are ids only the adapter has, with their texts. `names` are the special tokens that templates ask for by
    name (`eos_token`) and that are others than the base's."""

    renamed: tuple[RenamedToken, ...] = ()
    added: tuple[tuple[int, str], ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def needs_own_tokenizer(self) -> bool:
        """The base's tokenizer would split or misread this adapter's text."""
        return bool(self.renamed or self.added)


def compare_tokenizers(base: TokenizerFiles, adapter: TokenizerFiles | None) -> TokenizerDiff:
    """What differs; nothing where the adapter brought no tokenizer. An added padding token alone is no difference."""
    if adapter is None:
        return TokenizerDiff()
    base_tokens = {token_id: token for token, token_id in base.ids.items()}
    renamed, added = [], []
    for token, token_id in sorted(adapter.ids.items(), key=lambda item: item[1]):
        there = base_tokens.get(token_id)
        if there is None:
            if token != adapter.pad_token:
                added.append((token_id, token))
        elif there != token:
            renamed.append(RenamedToken(id=token_id, base=there, adapter=token))
    ours = {"bos_token": adapter.bos_token, "eos_token": adapter.eos_token}
    theirs = {"bos_token": base.bos_token, "eos_token": base.eos_token}
    names = {
        name: token for name, token in ours.items() if token is not None and token != theirs[name]
    }
    return TokenizerDiff(renamed=tuple(renamed), added=tuple(added), names=names)
