"""Stand-ins behind the product's own ports: a scripted engine, a byte tokenizer, small model directories."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from tokenizers.processors import TemplateProcessing

from adapters.chat_profile import ChatProfile, SamplingDefaults
from server.engine import EngineAdapter, EngineDelta, EngineFinish, EngineRequest
from server.errors import EngineDeadError
from server.served_model import ServedModel
from server.tokenizer import ChatTokenizer

BOS, EOS, IM_END = 256, 257, 258
SPECIAL = {"<bos>": BOS, "<eos>": EOS, "<|im_end|>": IM_END}
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{% if m.role not in ['system', 'user', 'assistant'] %}"
    "{{ raise_exception('no role ' + m.role) }}{% endif %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


def byte_tokenizer() -> Tokenizer:
    """One token a byte, and three special ones."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet(), key=_byte_of)
    tokenizer = Tokenizer(models.BPE(vocab={char: i for i, char in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(text, special=True) for text in SPECIAL])
    tokenizer.post_processor = TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", BOS)]
    )
    return tokenizer


def _byte_of(char: str) -> int:
    decoded = decoders.ByteLevel().decode([char])
    if len(decoded) == 1 and ord(decoded) < 128:
        return ord(decoded)
    # GPT-2's table: printable Latin-1 stands for itself, the rest are moved up from 256 in order.
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    moved = [byte for byte in range(256) if byte not in printable]
    return ord(char) if ord(char) in printable else moved[ord(char) - 256]


def chat_tokenizer() -> ChatTokenizer:
    return ChatTokenizer(
        tokenizer=byte_tokenizer(),
        eos_token_id=EOS,
        special_tokens={"bos_token": "<bos>", "eos_token": "<eos>"},
        special_ids=dict(SPECIAL),
        vocab_size=259,
    )


def ids(text: str) -> tuple[int, ...]:
    """The byte tokenizer's ids of plain text."""
    return tuple(text.encode())


def profile(**changes: Any) -> ChatProfile:
    """A chat profile that stops at <eos> and <|im_end|>, with one role marker."""
    data: dict[str, Any] = {
        "format": 1,
        "created_by": "test",
        "base": {"name": "base"},
        "end_of_turn": [
            {"id": EOS, "token": "<eos>", "why": "test"},
            {"id": IM_END, "token": "<|im_end|>", "why": "test"},
        ],
        "role_markers": ["\n\n### Human:"],
        "max_tokens": {"default": 50, "limit": 100},
    }
    return ChatProfile.model_validate({**data, **changes})


def served(name: str = "chat", **changes: Any) -> ServedModel:
    """A served model on the byte tokenizer."""
    values: dict[str, Any] = {
        "name": name,
        "label": name,
        "root": name,
        "created": 1,
        "tokenizer": chat_tokenizer(),
        "template": TEMPLATE,
        "base_stop_ids": (EOS,),
        "base_sampling": SamplingDefaults(),
        "profile": profile(),
    }
    return ServedModel(**{**values, **changes})


def delta(
    text: str | Sequence[int], finish: EngineFinish | None = None, index: int = 0
) -> EngineDelta:
    token_ids = ids(text) if isinstance(text, str) else tuple(text)
    return EngineDelta(index=index, token_ids=token_ids, finish_reason=finish)


class ScriptedEngine:
    """Plays what was enqueued; a script may hold deltas, errors, and numbers: seconds to wait.

    Like the real engine it stops by itself at `max_tokens` only when the script says so. Without a script it says "ok"
    and the end of sequence.
    """

    def __init__(self, max_model_len: int = 1000) -> None:
        self.max_model_len = max_model_len
        self.requests: list[EngineRequest] = []
        self.aborted: list[str] = []
        self.aborted_choices: list[tuple[str, int]] = []
        self.loaded: list[EngineAdapter] = []
        self.removed: list[EngineAdapter] = []
        self.num_adapter_slots = 8
        self.adapter_capacity = 32
        self.open: set[str] = set()
        self.died = asyncio.Event()
        self.closed = False
        self._scripts: deque[list[EngineDelta | Exception | float]] = deque()
        self._abort_events: dict[str, asyncio.Event] = {}

    def enqueue(self, *script: EngineDelta | Exception | float) -> None:
        self._scripts.append(list(script))

    async def generate(self, request: EngineRequest) -> AsyncGenerator[EngineDelta, None]:
        self.requests.append(request)
        script = self._scripts.popleft() if self._scripts else [delta("ok"), delta([EOS], "stop")]
        aborted = self._abort_events[request.request_id] = asyncio.Event()
        self.open.add(request.request_id)
        try:
            for step in script:
                if isinstance(step, float):
                    await self._wait(step, aborted)
                elif isinstance(step, Exception):
                    raise step
                else:
                    yield step
                if aborted.is_set():
                    yield delta([], "abort")
                    return
        except GeneratorExit:
            self.aborted.append(request.request_id)
            raise
        except asyncio.CancelledError:
            self.aborted.append(request.request_id)
            raise
        finally:
            self.open.discard(request.request_id)

    async def _wait(self, seconds: float, aborted: asyncio.Event) -> None:
        waits = [asyncio.ensure_future(event.wait()) for event in (aborted, self.died)]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if self.died.is_set():
            raise EngineDeadError("scripted death")

    async def abort(self, request_id: str, index: int | None = None) -> None:
        if index is not None:
            self.aborted_choices.append((request_id, index))
            return
        self.aborted.append(request_id)
        if event := self._abort_events.get(request_id):
            event.set()

    async def add_adapter(self, adapter: EngineAdapter) -> None:
        self.loaded.append(adapter)

    async def remove_adapter(self, adapter: EngineAdapter) -> None:
        self.removed.append(adapter)

    async def check_health(self) -> None:
        if self.died.is_set():
            raise EngineDeadError("scripted death")

    async def close(self) -> None:
        self.closed = True


def write_base(path: Path, **config: Any) -> Path:
    """A base model directory: configs and tokenizer, no weights."""
    path.mkdir(parents=True)
    settings = {"architectures": ["ByteForCausalLM"], "model_type": "llama", "vocab_size": 259}
    (path / "config.json").write_text(json.dumps({**settings, "eos_token_id": EOS, **config}))
    (path / "generation_config.json").write_text(json.dumps({"eos_token_id": [EOS], "top_k": 7}))
    byte_tokenizer().save(str(path / "tokenizer.json"))
    tokens = {"bos_token": "<bos>", "eos_token": "<eos>"}
    (path / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", **tokens})
    )
    return path


def write_adapter(path: Path, *, rank: int = 2, seed: int = 0) -> Path:
    """A raw LoRA adapter directory with tiny weights."""
    path.mkdir(parents=True)
    (path / "adapter_config.json").write_text(
        json.dumps({"peft_type": "LORA", "r": rank, "lora_alpha": 4})
    )
    rng = np.random.default_rng(seed)
    prefix = "base_model.model.model.layers.0.self_attn.q_proj"
    tensors = {
        f"{prefix}.lora_A.weight": rng.random((rank, 8), dtype=np.float32),
        f"{prefix}.lora_B.weight": rng.random((8, rank), dtype=np.float32),
    }
    save_file(tensors, path / "adapter_model.safetensors")
    return path
