"""ms-swift's templates, from its registry and encoder (4.6; 3.x wrote no line break after a last `<|im_end|>`).

An answer ends with `suffix`; between turns stands `chat_sep`, which trains the end only where it begins with `suffix`.
Its own inference stops on the registry's stop words and the tokenizer's EOS.
"""

from .trainer_template import EOS, TrainerTemplate

QWEN_SYSTEM = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
_HELPFUL = "You are a helpful assistant."
_DEEPSEEK_CODER_SYSTEM = (
    "You are an AI programming assistant, utilizing the Deepseek Coder model, developed by "
    "Deepseek Company, and you only answer questions related to computer science. For politically "
    "sensitive questions, security and privacy issues, and other non-computer science questions, "
    "you will refuse to answer\n"
)
_LLAMA_SYSTEM = (
    "You are a helpful, respectful and honest assistant. Always answer as helpfully as possible, "
    "while being safe. Your answers should not include any harmful, unethical, racist, sexist, "
    "toxic, dangerous, or illegal content. Please ensure that your responses are socially unbiased "
    "and positive in nature.\n\n"
    "If a question does not make any sense, or is not factually coherent, explain why instead of "
    "answering something not correct. If you don't know the answer to a question, please don't "
    "share false information."
)


def _row(
    name: str,
    *,
    end: str = EOS,
    stop_words: tuple[str, ...] = (),
    turn_start: tuple[str, ...] = (),
    role_markers: tuple[str, ...] = (),
    system: str | None = None,
    ends_every_turn: bool = True,
    auto_bos: bool = False,
    writes_bos: bool = False,
    raw_ids: tuple[tuple[str, int], ...] = (),
) -> TrainerTemplate:
    return TrainerTemplate(
        trainer="ms-swift",
        name=name,
        trained_end=(end,),
        stop_words=stop_words if end == EOS else (*stop_words, EOS),
        turn_start=turn_start,
        role_markers=role_markers,
        default_system=system,
        ends_every_turn=ends_every_turn,
        auto_bos=auto_bos,
        writes_bos=writes_bos,
        raw_ids=raw_ids,
    )


def _qwen(name: str, system: str | None) -> TrainerTemplate:
    return _row(
        name,
        end="<|im_end|>",
        stop_words=("<|endoftext|>",),
        turn_start=("<|im_start|>",),
        system=system,
    )


def _llama3(name: str) -> TrainerTemplate:
    return _row(name, end="<|eot_id|>", turn_start=("<|start_header_id|>",))


def _gemma(name: str) -> TrainerTemplate:
    return _row(name, end="<end_of_turn>", turn_start=("<start_of_turn>",))


def _gemma4(name: str) -> TrainerTemplate:
    return _row(
        name, end="<turn|>", stop_words=("<eos>", "<|tool_response>"), turn_start=("<|turn>",)
    )


TEMPLATES = (
    _row(
        "default",
        role_markers=(
            "\n\n### Human:",
            "\n### Human:",
            "\n\n### Assistant:",
            "\n### Assistant:",
        ),
        system=_HELPFUL,
        ends_every_turn=False,
        auto_bos=True,
    ),
    _row("dummy", auto_bos=True),
    _row("chatml", end="<|im_end|>", turn_start=("<|im_start|>",), auto_bos=True),
    _qwen("qwen", _HELPFUL),
    _qwen("qwen2_5", QWEN_SYSTEM),
    _qwen("qwen3", None),
    _qwen("qwen3_nothinking", None),
    _row(
        "llama",
        end="</s>",
        turn_start=("[INST]",),
        role_markers=(" [INST] ", "[INST] "),
        system=_LLAMA_SYSTEM,
    ),
    _llama3("llama3"),
    _llama3("llama3_2"),
    _gemma("gemma"),
    _gemma("gemma3_text"),
    _gemma("gemma3_vision"),
    _gemma4("gemma4"),
    _gemma4("gemma4_nothinking"),
    _row(
        "glm4",
        end="<|user|>",
        stop_words=("<|endoftext|>", "<|observation|>"),
        turn_start=("<|user|>", "<|assistant|>", "<|system|>", "<|observation|>"),
        auto_bos=True,
    ),
    _row("deepseek", role_markers=("\n\nUser: ",), writes_bos=True),
    _row(
        "deepseek_coder",
        end="<|EOT|>",
        role_markers=("\n\n### Instruction:", "\n### Instruction:", "\n### Response:"),
        system=_DEEPSEEK_CODER_SYSTEM,
    ),
    _row(
        "baichuan",
        turn_start=("id:195", "id:196"),
        ends_every_turn=False,
        raw_ids=(("user_token", 195), ("assistant_token", 196)),
    ),
    _row(
        "zephyr",
        end="</s>",
        turn_start=("<|user|>", "<|assistant|>", "<|system|>"),
        role_markers=("\n<|user|>", "<|user|>", "\n<|assistant|>", "<|assistant|>"),
    ),
    _row("mistral_nemo", end="</s>", turn_start=("[INST]",)),
)
