"""torchtune's tokenizers (0.6), which are its templates, and well-known templates for checkpoints of no known trainer."""

from .llama_factory import ALPACA_MARKERS, ALPACA_SYSTEM, VICUNA_MARKERS, VICUNA_SYSTEM
from .trainer_template import EOS, Trainer, TrainerTemplate


def _row(
    trainer: Trainer,
    name: str,
    *,
    end: str = EOS,
    stop_words: tuple[str, ...] = (),
    turn_start: tuple[str, ...] = (),
    role_markers: tuple[str, ...] = (),
    system: str | None = None,
    auto_bos: bool = False,
    writes_bos: bool = False,
    file: str = "",
) -> TrainerTemplate:
    return TrainerTemplate(
        trainer=trainer,
        name=name,
        trained_end=(end,),
        stop_words=stop_words,
        turn_start=turn_start,
        role_markers=role_markers,
        default_system=system,
        ends_every_turn=True,
        auto_bos=auto_bos,
        writes_bos=writes_bos,
        file=file,
    )


TEMPLATES = (
    # <|end_of_text|> is written after the last answer too, masked from the loss.
    _row(
        "torchtune",
        "llama3",
        end="<|eot_id|>",
        stop_words=("<|end_of_text|>", "<|eom_id|>"),
        turn_start=("<|start_header_id|>",),
    ),
    _row(
        "torchtune",
        "qwen2_5",
        end="<|im_end|>",
        stop_words=("<|endoftext|>",),
        turn_start=("<|im_start|>",),
    ),
    _row("any", "alpaca", role_markers=ALPACA_MARKERS, system=ALPACA_SYSTEM, auto_bos=True),
    _row("any", "vicuna", role_markers=VICUNA_MARKERS, system=VICUNA_SYSTEM, auto_bos=True),
    _row(
        "any",
        "chatml",
        end="<|im_end|>",
        stop_words=(EOS,),
        turn_start=("<|im_start|>",),
        file="LLaMA-Factory/chatml",
    ),
    _row(
        "any",
        "llama3",
        end="<|eot_id|>",
        stop_words=(EOS,),
        turn_start=("<|start_header_id|>",),
        writes_bos=True,
        file="LLaMA-Factory/llama3",
    ),
    _row(
        "any",
        "gemma",
        end="<end_of_turn>",
        stop_words=(EOS,),
        turn_start=("<start_of_turn>",),
        writes_bos=True,
        file="LLaMA-Factory/gemma",
    ),
)
