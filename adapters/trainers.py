"""Who wrote a checkpoint, and what they recorded about the training, with the evidence.

Each trainer leaves its own files (ms-swift args.json; LLaMA-Factory's YAML; a model card with Axolotl's configuration;
torchtune's bare adapter_config.json). None of them is run or unpickled. Knows nothing of templates' contents.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import yaml

from .checkpoint import Checkpoint
from .errors import CheckpointError
from .json_file import read_bytes, read_json_object, read_text

TrainerName = Literal["ms-swift", "LLaMA-Factory", "Axolotl", "Unsloth", "torchtune", "TRL", "PEFT"]
MAX_CARD_BYTES = 1 << 20
# The longest of Axolotl's examples has 4 kB.
MAX_YAML_CHARS = 64 << 10
MAX_STATE_BYTES = 64 << 20
# Until then ms-swift put the end's label where the next turn's separator begins, after every answer.
EVERY_END_UNTIL = (3, 3, 1)
SWIFT_FILES = ("args.json", "sft_args.json")
FACTORY_FILES = ("llamaboard_config.yaml", "training_args.yaml")
TORCHTUNE_FILE = "torchtune_config.yaml"
CARD_FILE = "README.md"
STATE_FILE = "trainer_state.json"
# The block Axolotl writes into the model card.
AXOLOTL_SUMMARY = "<summary>See axolotl config</summary>"
YAML_BLOCK = re.compile(r"```ya?ml\r?\n(.*?)```", re.DOTALL)
TRAIN_ON_END = re.compile(r"^[ \t-]*(train_on_eo[st]):[ \t]*(last|none)\s*$", re.MULTILINE)
TORCHTUNE_TOKENIZER = re.compile(r"^tokenizer:[^\n]*\n(?:[ \t]+[^\n]*\n?)+", re.MULTILINE)
# torchtune writes these and nothing else into adapter_config.json.
TORCHTUNE_KEYS = frozenset(
    {"r", "lora_alpha", "target_modules", "peft_type", "base_model_name_or_path"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainerRecord:
    """`system` is None where nothing is recorded, '' where the training had no system prompt.

    `cuts_samples` and `leaves_ends_out` hold the evidence for causes B4 and B5, None where there is none. `trained_tokens`
    are the only special tokens whose loss counted, None where the trainer masks none.
    """

    name: TrainerName
    evidence: tuple[str, ...]
    version: str | None = None
    template: str | None = None
    system: str | None = None
    response_prefix: str | None = None
    enable_thinking: bool | None = None
    uses_chat_template: bool = True
    stop_words: tuple[str, ...] = ()
    cuts_samples: str | None = None
    leaves_ends_out: str | None = None
    trained_tokens: tuple[str, ...] | None = None
    trains_every_end: bool = False
    num_steps: int | None = None


def recognise_trainer(checkpoint: Checkpoint) -> TrainerRecord:
    """The trainer that wrote `checkpoint`; plain PEFT where nothing says otherwise.

    Raises:
        CheckpointError: a file a trainer writes is there and is broken.
    """
    readers = (_ms_swift, _llama_factory, _axolotl, _torchtune, _from_card)
    record = next((found for read in readers if (found := read(checkpoint)) is not None), None)
    if record is None:
        record = TrainerRecord(name="PEFT", evidence=("no trainer's own files",))
    return replace(record, num_steps=_num_steps(checkpoint))


def _ms_swift(checkpoint: Checkpoint) -> TrainerRecord | None:
    path = checkpoint.find(*SWIFT_FILES)
    if path is None:
        return None
    args = read_json_object(path, CheckpointError)
    template = args.get("template", args.get("template_type"))
    if not isinstance(template, str):
        return None
    name, version = path.name, _string(args, "swift_version", path)
    strategy, thinking = args.get("truncation_strategy"), args.get("enable_thinking")
    return TrainerRecord(
        name="ms-swift",
        version=version,
        template=template,
        system=_string(args, "system", path),
        response_prefix=_string(args, "response_prefix", path),
        enable_thinking=thinking if isinstance(thinking, bool) else None,
        uses_chat_template=args.get("use_chat_template") is not False,
        stop_words=_strings(args.get("stop_words")),
        cuts_samples=_pairs(name, args, "truncation_strategy", "max_length")
        if strategy in ("left", "right")
        else None,
        trains_every_end=name == "sft_args.json" or _is_before(version, EVERY_END_UNTIL),
        evidence=(_pairs(name, args, "template"),),
    )


def _llama_factory(checkpoint: Checkpoint) -> TrainerRecord | None:
    path = checkpoint.find(*FACTORY_FILES)
    if path is None:
        card = _card(checkpoint)
        evidence = "README.md: tag llama-factory" if "llama-factory" in card.tags else None
        if evidence is None and checkpoint.find("trainer_log.jsonl") is not None:
            evidence = "trainer_log.jsonl, which only LLaMA-Factory writes"
        return (
            None if evidence is None else TrainerRecord(name="LLaMA-Factory", evidence=(evidence,))
        )
    config = _yaml(path)
    # The web page's file spells its fields with a prefix.
    args = {key.removeprefix("top.").removeprefix("train."): value for key, value in config.items()}
    template = _string(args, "template", path)
    return TrainerRecord(
        name="LLaMA-Factory",
        template=template,
        system=_string(args, "default_system", path),
        cuts_samples=_pairs(path.name, args, "cutoff_len") if "cutoff_len" in args else None,
        evidence=(_pairs(path.name, args, "template") if template else f"{path.name} is there",),
    )


def _axolotl(checkpoint: Checkpoint) -> TrainerRecord | None:
    card = _card(checkpoint)
    block = YAML_BLOCK.search(card.text.partition(AXOLOTL_SUMMARY)[2])
    if block is None:
        return (
            TrainerRecord(name="Axolotl", evidence=("README.md: tag axolotl",))
            if "axolotl" in card.tags
            else None
        )
    config = _parse_yaml(block[1], card.path)
    version = re.search(r"axolotl version: `([^`\s]+)`", card.text)
    # Stands at the top, or in each of the datasets.
    left_out = TRAIN_ON_END.findall(block[1])
    cuts = config.get("excess_length_strategy") == "truncate"
    return TrainerRecord(
        name="Axolotl",
        version=version[1] if version else None,
        template=_string(config, "chat_template", card.path),
        cuts_samples=_pairs("README.md", config, "excess_length_strategy", "sequence_len")
        if cuts
        else None,
        leaves_ends_out=", ".join(f"README.md: {key} = {value}" for key, value in left_out) or None,
        trained_tokens=_strings(config.get("eot_tokens")),
        evidence=("README.md: axolotl config", _pairs("README.md", config, "chat_template")),
    )


def _torchtune(checkpoint: Checkpoint) -> TrainerRecord | None:
    path = checkpoint.find(TORCHTUNE_FILE)
    if path is None:
        if set(checkpoint.config) <= TORCHTUNE_KEYS:
            keys = ", ".join(sorted(checkpoint.config))
            return TrainerRecord(name="torchtune", evidence=(f"adapter_config.json: only {keys}",))
        return None
    text = read_text(path, CheckpointError, max_bytes=MAX_YAML_CHARS)
    found = TORCHTUNE_TOKENIZER.search(text)
    block = "" if found is None else found[0]
    component = re.search(r"_component_:\s*(torchtune\.models\.(\w+)\.\S+)", block)
    length = re.search(r"max_seq_len:\s*(\d+)", block)
    family = component[2] if component else None
    # torchtune 0.6 then masks the last token of every row: its end, where nothing follows that as in Llama 3's rows.
    masked = length is not None and family != "llama3"
    return TrainerRecord(
        name="torchtune",
        template=family,
        leaves_ends_out=f"{path.name}: tokenizer.max_seq_len is set" if masked else None,
        evidence=(
            f"{path.name}: tokenizer = {component[1]}" if component else f"{path.name} is there",
        ),
    )


def _from_card(checkpoint: Checkpoint) -> TrainerRecord | None:
    """Unsloth and TRL say so in the model card's tags, or in the name of the base they loaded."""
    tags = _card(checkpoint).tags
    base = str(checkpoint.config.get("base_model_name_or_path", ""))
    if base.lower().startswith("unsloth/"):
        evidence = f"adapter_config.json: base_model_name_or_path = {base}"
        return TrainerRecord(name="Unsloth", evidence=(evidence,))
    if "unsloth" in tags:
        return TrainerRecord(name="Unsloth", evidence=("README.md: tag unsloth",))
    if "trl" in tags:
        return TrainerRecord(name="TRL", evidence=("README.md: tag trl",))
    return None


@dataclass(frozen=True, slots=True)
class _Card:
    """A model card: its text and the tags of its YAML front matter."""

    path: Path
    text: str
    tags: frozenset[str]


def _card(checkpoint: Checkpoint) -> _Card:
    path = checkpoint.find(CARD_FILE)
    if path is None:
        return _Card(checkpoint.path / CARD_FILE, "", frozenset())
    text = read_text(path, CheckpointError, max_bytes=MAX_CARD_BYTES)
    front = re.match(r"---\r?\n(.*?)\n---", text, re.DOTALL)
    tags = _parse_yaml(front[1], path).get("tags") if front else None
    return _Card(path, text, frozenset(_strings(tags)))


def _num_steps(checkpoint: Checkpoint) -> int | None:
    path = checkpoint.find(STATE_FILE)
    if path is None:
        return None
    # The log of a long training takes much memory when it is parsed; this key comes before it.
    raw = read_bytes(path, CheckpointError, max_bytes=MAX_STATE_BYTES)
    steps = re.search(rb'"global_step"\s*:\s*(\d{1,18})\b', raw)
    return None if steps is None else int(steps[1])


def _yaml(path: Path) -> dict[str, Any]:
    return _parse_yaml(read_text(path, CheckpointError, max_bytes=MAX_CARD_BYTES), path)


def _parse_yaml(text: str, path: Path) -> dict[str, Any]:
    """The top level of a YAML mapping: its scalars, and its lists of scalars.

    What is nested deeper is never built: references make a few lines of YAML into any amount of memory.
    """
    if len(text) > MAX_YAML_CHARS:
        raise CheckpointError(path, f"holds YAML of more than {MAX_YAML_CHARS:,} characters")
    try:
        loader = yaml.SafeLoader(text)
        top = loader.get_single_node()
        pairs = top.value if isinstance(top, yaml.MappingNode) else []
        return {k.value: _value(loader, v) for k, v in pairs if isinstance(k, yaml.ScalarNode)}
    except (yaml.YAMLError, RecursionError, ValueError, LookupError, AttributeError) as exc:
        raise CheckpointError(path, f"holds YAML that cannot be read ({exc})") from exc


def _value(loader: yaml.SafeLoader, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_object(node)
        str(value).encode()  # half a surrogate pair is no character
        return value
    if isinstance(node, yaml.SequenceNode):
        return [_value(loader, item) for item in node.value if isinstance(item, yaml.ScalarNode)]
    return {}


def _string(values: Mapping[str, Any], key: str, path: Path) -> str | None:
    value = values.get(key)
    if value is None or isinstance(value, str):
        return value
    raise CheckpointError(path, f"{key} must be text, it is {type(value).__name__}")


def _is_before(version: str | None, bound: tuple[int, ...]) -> bool:
    numbers = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", version or "")
    return numbers is not None and tuple(int(n or 0) for n in numbers.groups()) < bound


def _strings(value: object) -> tuple[str, ...]:
    return tuple(v for v in value if isinstance(v, str)) if isinstance(value, list) else ()


def _pairs(file: str, values: Mapping[str, Any], *keys: str) -> str:
    return f"{file}: " + ", ".join(f"{key} = {values.get(key)!s:.80}" for key in keys)
