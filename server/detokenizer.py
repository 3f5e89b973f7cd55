"""Token ids to text, one id at a time, never half a character.

We detokenise and not the engine: it is the only way to decode with an adapter's own tokenizer, and it makes stops
wholly ours.
"""

import logging

from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream

logger = logging.getLogger(__name__)


class Detokenizer:
    """Decodes one stream. Bytes that do not make a whole character yet are kept; at the end they are dropped."""

    def __init__(self, tokenizer: Tokenizer, *, skip_special_tokens: bool) -> None:
        self._tokenizer = tokenizer
        self._skip_special_tokens = skip_special_tokens
        self._stream = self._new_stream()

    def feed(self, token_id: int) -> str:
        """The characters that `token_id` completes, often none."""
        try:
            return self._stream.step(self._tokenizer, token_id) or ""
        except Exception as exc:
            # tokenizers raises a bare Exception where earlier text changes by a later byte (vllm #17448); text
            # already shown stays, decoding goes on afresh from this token.
            if "Invalid prefix" not in str(exc):
                raise
            logger.warning("decoding starts afresh at token %d", token_id)
            self._stream = self._new_stream()
            return self._stream.step(self._tokenizer, token_id) or ""

    def _new_stream(self) -> DecodeStream:
        return DecodeStream(skip_special_tokens=self._skip_special_tokens)
