"""ms-swift's template definitions as data, and its encoder's algorithm, for texts to compare the Jinja files with.

BOS and EOS stand for the tokenizer's own tokens, IDS for the spelling of raw ids.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

Message = dict[str, str]
Turns = list[tuple[str, list[str]]]
BOS, EOS, IDS = "<BOS>", "<EOS>", {195: "<user195>", 196: "<assistant196>"}
DAY = "01 Jan 2001"
QWEN = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
IM_USER = "<|im_start|>user\n{{QUERY}}<|im_end|>\n<|im_start|>assistant\n"
IM_SYSTEM = "<|im_start|>system\n{{SYSTEM}}<|im_end|>\n"
IM_HEADER = "<|im_start|>assistant\n"
LLAMA3_HEADER = "<|start_header_id|>assistant<|end_header_id|>\n\n"
LLAMA3_USER = (
    "<|start_header_id|>user<|end_header_id|>\n\n{{QUERY}}<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n"
)
GEMMA_USER = "<start_of_turn>user\n{{QUERY}}<end_of_turn>\n<start_of_turn>model\n"
EMPTY_THOUGHT = "<think>\n\n</think>\n\n"


@dataclass(frozen=True, kw_only=True)
class Swift:
    """A definition of ms-swift's registry. `header` is the part of `prompt` that opens the assistant's turn."""

    prompt: str
    header: str
    suffix: str = EOS
    chat_sep: str | None
    prefix: str = ""
    system_prefix: str | None = None
    default_system: str | None = None
    auto_add_bos: bool = False
    # What _add_non_thinking_prefix puts before an answer that does not begin with `thought`.
    empty_thought: str = ""
    thought: str = ""
    thought_after_user_only: bool = False
    think_system: str = ""
    system_in_prompt: str = ""
    strips_answers: bool = False


CHATML = Swift(
    prompt=IM_USER,
    header=IM_HEADER,
    chat_sep="<|im_end|>\n",
    suffix="<|im_end|>\n",
    system_prefix=IM_SYSTEM,
)
LLAMA3 = Swift(
    prefix="<|begin_of_text|>",
    prompt=LLAMA3_USER,
    header=LLAMA3_HEADER,
    chat_sep="<|eot_id|>",
    suffix="<|eot_id|>",
    system_prefix="<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n{{SYSTEM}}<|eot_id|>",
)
LLAMA3_2_SYSTEM = (
    "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n"
    f"Cutting Knowledge Date: December 2023\nToday Date: {DAY}\n\n{{{{SYSTEM}}}}<|eot_id|>"
)
GEMMA = Swift(
    prefix="<bos>",
    prompt=GEMMA_USER,
    header="<start_of_turn>model\n",
    chat_sep="<end_of_turn>\n",
    suffix="<end_of_turn>",
    system_prefix="<bos><start_of_turn>system\n{{SYSTEM}}<end_of_turn>\n",
)
GEMMA4 = Swift(
    prefix="<bos>",
    prompt="<|turn>user\n{{QUERY}}<turn|>\n<|turn>model\n",
    header="<|turn>model\n",
    chat_sep="<turn|>\n",
    suffix="<turn|>\n",
    system_prefix="<bos><|turn>system\n{{SYSTEM}}<turn|>\n",
    think_system="<|think|>\n",
)
SWIFT = {
    "default": Swift(
        prompt="### Human:\n{{QUERY}}\n\n### Assistant:\n",
        header="### Assistant:\n",
        chat_sep="\n\n",
        system_prefix="{{SYSTEM}}\n\n",
        default_system="You are a helpful assistant.",
        auto_add_bos=True,
    ),
    "dummy": Swift(prompt="{{QUERY}}", header="", chat_sep=None, auto_add_bos=True),
    "chatml": replace(CHATML, auto_add_bos=True),
    "qwen": replace(CHATML, default_system="You are a helpful assistant."),
    "qwen2_5": replace(CHATML, default_system=QWEN),
    "qwen3": replace(CHATML, empty_thought=EMPTY_THOUGHT, thought="<think>"),
    "qwen3_nothinking": CHATML,
    "llama": Swift(
        prefix="<s>[INST] ",
        prompt="{{QUERY}} [/INST]",
        header="",
        chat_sep="</s><s>[INST] ",
        suffix="</s>",
        system_prefix="<s>[INST] <<SYS>>\n{{SYSTEM}}\n<</SYS>>\n\n",
        default_system=(
            "You are a helpful, respectful and honest assistant. Always answer as helpfully as "
            "possible, while being safe. Your answers should not include any harmful, unethical, "
            "racist, sexist, toxic, dangerous, or illegal content. Please ensure that your responses "
            "are socially unbiased and positive in nature.\n\nIf a question does not make any sense, "
            "or is not factually coherent, explain why instead of answering something not correct. "
            "If you don't know the answer to a question, please don't share false information."
        ),
    ),
    "llama3": LLAMA3,
    "llama3_2": replace(
        LLAMA3, prefix=LLAMA3_2_SYSTEM.replace("{{SYSTEM}}", ""), system_prefix=LLAMA3_2_SYSTEM
    ),
    "gemma": GEMMA,
    "gemma3_text": replace(GEMMA, system_prefix=None, strips_answers=True),
    "gemma3_vision": replace(GEMMA, strips_answers=True),
    "gemma4": replace(
        GEMMA4,
        empty_thought="<|channel>thought\n<channel|>",
        thought="<|channel>thought",
        thought_after_user_only=True,
    ),
    "gemma4_nothinking": GEMMA4,
    "glm4": Swift(
        prefix="[gMASK]<sop>",
        prompt="<|user|>\n{{QUERY}}<|assistant|>\n",
        header="<|assistant|>\n",
        chat_sep="",
        suffix="<|user|>",
        system_prefix="[gMASK]<sop><|system|>\n{{SYSTEM}}",
        auto_add_bos=True,
    ),
    "deepseek": Swift(
        prefix=BOS,
        prompt="User: {{QUERY}}\n\nAssistant:",
        header="Assistant:",
        chat_sep=EOS,
        system_prefix=BOS + "{{SYSTEM}}\n\n",
    ),
    "deepseek_coder": Swift(
        prompt="### Instruction:\n{{QUERY}}\n### Response:\n",
        header="### Response:\n",
        chat_sep="\n<|EOT|>\n",
        suffix="\n<|EOT|>",
        system_prefix="{{SYSTEM}}",
        default_system=(
            "You are an AI programming assistant, utilizing the Deepseek Coder model, developed by "
            "Deepseek Company, and you only answer questions related to computer science. For "
            "politically sensitive questions, security and privacy issues, and other non-computer "
            "science questions, you will refuse to answer\n"
        ),
    ),
    "baichuan": Swift(
        prompt=IDS[195] + "{{QUERY}}" + IDS[196],
        header=IDS[196],
        chat_sep="",
        system_prefix="{{SYSTEM}}",
    ),
    "zephyr": Swift(
        prompt="<|user|>\n{{QUERY}}</s>\n<|assistant|>\n",
        header="<|assistant|>\n",
        chat_sep="</s>\n",
        suffix="</s>",
        system_prefix="<|system|>\n{{SYSTEM}}</s>\n",
    ),
    "mistral_nemo": Swift(
        prefix="<s>[INST] ",
        prompt="{{QUERY}}[/INST]",
        header="",
        chat_sep="</s>[INST] ",
        suffix="</s>",
        system_in_prompt="{{SYSTEM}}\n\n",
    ),
}


def swift_text(
    spec: Swift, messages: Sequence[Message], *, given: str | None = None, thinking: bool = False
) -> str:
    """Training text where the last message is the assistant's, else the prompt. `given` is the run's own --system."""
    default = spec.default_system if given is None else given
    said, turns = _joined(messages)
    if spec.strips_answers:
        _gemma3(said, turns)
        said = None
    _add_thoughts(spec, turns)
    prompt_system = default if said is None else said
    if thinking and spec.think_system:
        prompt_system = spec.think_system + (prompt_system or "")
    texts: list[str | None] = ["".join(parts) for _, parts in turns]
    if turns[0][0] == "assistant":
        texts.insert(0, "")
    if len(texts) % 2:
        texts.append(None)
    if spec.chat_sep is None:
        texts = texts[-2:]
    opening = spec.system_prefix if prompt_system and spec.system_prefix else spec.prefix
    text = (BOS if spec.auto_add_bos else "") + opening.replace("{{SYSTEM}}", prompt_system or "")
    for query, response in zip(texts[:-2:2], texts[1:-2:2], strict=True):
        text += spec.prompt.replace("{{QUERY}}", query or "") + (response or "")
        text += spec.chat_sep or ""
    if spec.system_in_prompt and prompt_system is None:
        text += spec.system_in_prompt  # ms-swift leaves its placeholder in the text
    elif spec.system_in_prompt:
        text += spec.system_in_prompt.replace("{{SYSTEM}}", prompt_system or "")
    text += spec.prompt.replace("{{QUERY}}", texts[-2] or "")
    if texts[-1] is None:
        return text + ("" if thinking else spec.empty_thought)
    return text + texts[-1] + spec.suffix


def _joined(messages: Sequence[Message]) -> tuple[str | None, Turns]:
    """The system message, and the turns, neighbours of one role in one."""
    said = None
    turns: Turns = []
    for message in messages:
        if message["role"] == "system":
            said = message["content"]
        elif turns and turns[-1][0] == message["role"]:
            turns[-1][1].append(message["content"])
        else:
            turns.append((message["role"], [message["content"]]))
    return said, turns


def _gemma3(said: str | None, turns: Turns) -> None:
    """Gemma3Template: the system message goes into the first message, plain answers lose line breaks."""
    if said is not None:
        turns[0][1][0] = said + "\n\n" + turns[0][1][0]
    for role, parts in turns:
        if role == "assistant" and len(parts) == 1:
            parts[0] = parts[0].strip("\n")


def _add_thoughts(spec: Swift, turns: Turns) -> None:
    for i, (role, parts) in enumerate(turns):
        is_due = role == "assistant" and (i > 0 or not spec.thought_after_user_only)
        if spec.empty_thought and is_due and not parts[0].startswith(spec.thought):
            parts[0] = spec.empty_thought + parts[0]
