"""LLaMA-Factory's templates, from its registry and encoder (0.9.3 to 0.9.5; before, `default`, `gemma` and `qwen` differ).

An answer ends with what its assistant slot writes after the content. With efficient_eos the slot writes none and the
tokenizer's EOS is trained after every answer. Its own inference stops on EOS, which replace_eos makes the first stop
word, and on the other stop words.
"""

from .ms_swift import QWEN_SYSTEM
from .trainer_template import EOS, TrainerTemplate

ALPACA_SYSTEM = (
    "Below is an instruction that describes a task. "
    "Write a response that appropriately completes the request.\n\n"
)
VICUNA_SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)
ALPACA_MARKERS = (
    "\n\n### Instruction:",
    "\n### Instruction:",
    "\n\n### Input:",
    "\n### Input:",
    "\n\n### Response:",
    "\n### Response:",
)
VICUNA_MARKERS = ("\nUSER:", " USER:", "\nASSISTANT:", " ASSISTANT:")
_SMOLLM2_SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face."


def _row(
    name: str,
    *,
    end: tuple[str, ...] = (EOS,),
    stop_words: tuple[str, ...] = (),
    turn_start: tuple[str, ...] = (),
    role_markers: tuple[str, ...] = (),
    system: str | None = None,
    replaces_eos: bool = False,
    efficient_eos: bool = False,
    writes_bos: bool = False,
) -> TrainerTemplate:
    return TrainerTemplate(
        trainer="LLaMA-Factory",
        name=name,
        trained_end=end,
        stop_words=stop_words,
        turn_start=turn_start,
        role_markers=role_markers,
        default_system=system,
        ends_every_turn=True,
        replaces_eos=replaces_eos,
        efficient_eos=efficient_eos,
        writes_bos=writes_bos,
    )


def _chatml(
    name: str,
    *,
    stop_words: tuple[str, ...] = (),
    system: str | None = None,
    replaces_eos: bool = True,
) -> TrainerTemplate:
    return _row(
        name,
        end=("<|im_end|>",),
        stop_words=stop_words,
        turn_start=("<|im_start|>",),
        system=system,
        replaces_eos=replaces_eos,
    )


def _gemma(name: str) -> TrainerTemplate:
    return _row(
        name,
        end=("<end_of_turn>",),
        turn_start=("<start_of_turn>",),
        replaces_eos=True,
        writes_bos=True,
    )


def _inst(name: str) -> TrainerTemplate:
    markers = (" [INST] ", "[INST] ")
    return _row(name, turn_start=("[INST]",), role_markers=markers, writes_bos=True)


TEMPLATES = (
    _row("default", role_markers=("\nHuman:", "\nAssistant:")),
    _row("empty", end=(), stop_words=(EOS,)),
    _row("alpaca", role_markers=ALPACA_MARKERS, system=ALPACA_SYSTEM),
    _row("vicuna", role_markers=VICUNA_MARKERS, system=VICUNA_SYSTEM),
    _chatml("chatml", stop_words=("<|im_start|>",)),
    _chatml("qwen", system=QWEN_SYSTEM),
    _chatml("qwen3"),
    _chatml("qwen3_nothink"),
    _chatml("yi", stop_words=(EOS,), replaces_eos=False),
    _chatml("smollm2", stop_words=(EOS,), system=_SMOLLM2_SYSTEM, replaces_eos=False),
    _chatml("phi4"),
    _inst("llama2"),
    _inst("mistral"),
    _row(
        "llama3",
        end=("<|eot_id|>",),
        stop_words=("<|eom_id|>",),
        turn_start=("<|start_header_id|>",),
        replaces_eos=True,
        writes_bos=True,
    ),
    _gemma("gemma"),
    _gemma("gemma3"),
    _row(
        "gemma2",
        end=("<end_of_turn>", EOS),
        stop_words=("<eos>",),
        turn_start=("<start_of_turn>",),
        efficient_eos=True,
        writes_bos=True,
    ),
    _row(
        "glm4",
        stop_words=("<|user|>", "<|observation|>"),
        turn_start=("<|user|>", "<|assistant|>", "<|system|>", "<|observation|>"),
        efficient_eos=True,
    ),
    _row(
        "zephyr",
        turn_start=("<|user|>", "<|assistant|>", "<|system|>"),
        role_markers=("\n<|user|>", "<|user|>", "\n<|assistant|>", "<|assistant|>"),
        system="You are Zephyr, a helpful assistant.",
    ),
)
