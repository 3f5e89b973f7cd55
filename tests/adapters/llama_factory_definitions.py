"""LLaMA-Factory's template definitions as data with its encoder's algorithm; those of torchtune and FastChat as well.

BOS and EOS stand for the tokenizer's own tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from .ms_swift_definitions import (
    BOS,
    EMPTY_THOUGHT,
    EOS,
    IM_HEADER,
    LLAMA3_HEADER,
    QWEN,
    Message,
)

ALPACA = (
    "Below is an instruction that describes a task. "
    "Write a response that appropriately completes the request.\n\n"
)
VICUNA = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives "
    "helpful, detailed, and polite answers to the user's questions."
)


@dataclass(frozen=True, kw_only=True)
class Factory:
    """A definition of LLaMA-Factory's registry: slots after their placeholder is split off."""

    user: tuple[str, str] = ("", "")
    header: str = ""
    answer: tuple[str, str] = ("", EOS)
    system: tuple[str, str] = ("", "")
    prefix: str = ""
    default_system: str = ""
    efficient_eos: bool = False
    system_in_user: bool = False
    reasoning: bool = False


FACTORY_CHATML = Factory(
    user=("<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n"),
    header=IM_HEADER,
    answer=("", "<|im_end|>\n"),
    system=("<|im_start|>system\n", "<|im_end|>\n"),
)
FACTORY_GEMMA = Factory(
    user=("<start_of_turn>user\n", "<end_of_turn>\n<start_of_turn>model\n"),
    header="<start_of_turn>model\n",
    answer=("", "<end_of_turn>\n"),
    system=("", "\n\n"),
    prefix=BOS,
    system_in_user=True,
)
FACTORY = {
    "default": Factory(
        user=("Human: ", EOS + "\nAssistant:"),
        header="\nAssistant:",
        answer=("", EOS + "\n"),
        system=("System: ", EOS + "\n"),
    ),
    "empty": Factory(answer=("", "")),
    "alpaca": Factory(
        user=("### Instruction:\n", "\n\n### Response:\n"),
        header="### Response:\n",
        answer=("", EOS + "\n\n"),
        default_system=ALPACA,
    ),
    "vicuna": Factory(user=("USER: ", " ASSISTANT:"), header=" ASSISTANT:", default_system=VICUNA),
    "chatml": FACTORY_CHATML,
    "qwen": replace(FACTORY_CHATML, default_system=QWEN),
    "qwen3": replace(FACTORY_CHATML, reasoning=True),
    "qwen3_nothink": FACTORY_CHATML,
    "yi": FACTORY_CHATML,
    "smollm2": replace(
        FACTORY_CHATML,
        default_system="You are a helpful AI assistant named SmolLM, trained by Hugging Face.",
    ),
    "llama2": Factory(
        user=(BOS + "[INST] ", " [/INST]"),
        system=("<<SYS>>\n", "\n<</SYS>>\n\n"),
        system_in_user=True,
    ),
    "llama3": Factory(
        user=(
            "<|start_header_id|>user<|end_header_id|>\n\n",
            "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
        ),
        header=LLAMA3_HEADER,
        answer=("", "<|eot_id|>"),
        system=("<|start_header_id|>system<|end_header_id|>\n\n", "<|eot_id|>"),
        prefix=BOS,
    ),
    "gemma": FACTORY_GEMMA,
    "gemma2": replace(FACTORY_GEMMA, efficient_eos=True),
    "gemma3": FACTORY_GEMMA,
    "glm4": Factory(
        user=("<|user|>\n", "<|assistant|>"),
        header="<|assistant|>",
        answer=("\n", ""),
        system=("<|system|>\n", ""),
        prefix="[gMASK]<sop>",
        efficient_eos=True,
    ),
    "mistral": Factory(
        user=("[INST] ", "[/INST]"),
        answer=(" ", EOS),
        system=("", "\n\n"),
        prefix=BOS,
        system_in_user=True,
    ),
    "zephyr": Factory(
        user=("<|user|>\n", EOS + "<|assistant|>\n"),
        header="<|assistant|>\n",
        system=("<|system|>\n", EOS),
        default_system="You are Zephyr, a helpful assistant.",
    ),
    "phi4": Factory(
        user=("<|im_start|>user<|im_sep|>", "<|im_end|><|im_start|>assistant<|im_sep|>"),
        header="<|im_start|>assistant<|im_sep|>",
        answer=("", "<|im_end|>"),
        system=("<|im_start|>system<|im_sep|>", "<|im_end|>"),
    ),
}


def without_thoughts(content: str) -> str:
    """What LLaMA-Factory leaves of an answer when thinking is off."""
    start, end = "<think>\n", "\n</think>\n\n"
    text = ""
    while start in content and end in content.split(start, 1)[1]:
        before, after = content.split(start, 1)
        text, content = text + before, after.split(end, 1)[1]
    return (text + content).lstrip("\n")


def factory_text(
    spec: Factory,
    messages: Sequence[Message],
    *,
    given: str | None = None,
    thinking: bool | None = True,
) -> str:
    """Training text where the last message is the assistant's, else the prompt. `given` is the run's own default_system."""
    turns = [dict(m) for m in messages if m["role"] != "system"]
    said = next((m["content"] for m in messages if m["role"] == "system"), "")
    prompt_system = said or (spec.default_system if given is None else given)
    opening = spec.system[0] + prompt_system + spec.system[1] if prompt_system else ""
    text = spec.prefix + ("" if spec.system_in_user else opening)
    for i, turn in enumerate(turns):
        if turn["role"] == "user":
            inside = opening if spec.system_in_user and i == 0 else ""
            text += spec.user[0] + inside + turn["content"] + spec.user[1]
            continue
        answer = turn["content"]
        if spec.reasoning and thinking is False:
            answer = without_thoughts(answer)
        if spec.reasoning and "<think>" not in answer and "</think>" not in answer:
            answer = EMPTY_THOUGHT + answer
        text += spec.answer[0] + answer + spec.answer[1]
    if turns[-1]["role"] == "assistant":
        return text + (EOS if spec.efficient_eos else "")
    return text + (EMPTY_THOUGHT if spec.reasoning and not thinking else "")


def torchtune_text(name: str, messages: Sequence[Message]) -> str:
    """Training text where the last message is the assistant's, else the prompt."""
    if messages[-1]["role"] == "user":
        # torchtune's generation opens the answer with an empty assistant message whose end is left off.
        header = LLAMA3_HEADER if name == "llama3" else IM_HEADER
        return (
            torchtune_text(name, [*messages, {"role": "assistant", "content": ""}]).rpartition(
                header
            )[0]
            + header
        )
    if name == "llama3":
        turns = [
            f"<|start_header_id|>{m['role']}<|end_header_id|>\n\n{m['content'].strip()}<|eot_id|>"
            for m in messages
        ]
        return "<|begin_of_text|>" + "".join(turns) + "<|end_of_text|>"
    turns = [f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in messages]
    return "".join(turns).removesuffix("\n")


def fastchat_text(messages: Sequence[Message]) -> str:
    """FastChat's vicuna_v1.1, after the tokenizer's BOS."""
    said = next((m["content"] for m in messages if m["role"] == "system"), VICUNA)
    text = BOS + (said + " " if said else "")
    for m in messages:
        if m["role"] == "user":
            text += "USER: " + m["content"] + " ASSISTANT:"
        elif m["role"] == "assistant":
            text += " " + m["content"] + EOS
    return text


def any_text(name: str, messages: Sequence[Message]) -> str:
    if name == "vicuna":
        return fastchat_text(messages)
    if name == "alpaca":
        # Unlike LLaMA-Factory's, it has BOS, and an empty system message means none.
        spec = replace(FACTORY["alpaca"], prefix=BOS)
        is_silent = messages[0]["role"] == "system" and not messages[0]["content"]
        return factory_text(spec, messages, given="" if is_silent else None)
    return factory_text(FACTORY[name], messages)
