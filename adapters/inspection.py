"""Read everything about one adapter and its base, once: what `inspect` prints and `convert` writes from.

An adapter is read in one pass: checkpoint, trainer, template, weights, end-of-turn ids, causes.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from .base_files import GENERATION_CONFIG_FILE, BaseFiles, read_base_files
from .causes import Evidence, stop_causes
from .causes_prompt import prompt_causes
from .chat_profile import ChatProfile, EndOfTurnId, read_profile
from .checkpoint import Checkpoint, read_checkpoint
from .end_of_turn import (
    EndOfTurnSources,
    base_end_of_turn_ids,
    end_of_turn_ids,
    eos_ids,
)
from .errors import CheckpointError, ModelFilesError
from .finding import Finding
from .json_file import read_json_object
from .recovery import RecoveredTemplate, recover_template
from .rendering import TemplateProcess
from .tokenizer_diff import TokenizerDiff, compare_tokenizers
from .tokenizer_files import TokenizerFiles, read_chat_template, read_tokenizer
from .trainers import TrainerRecord, recognise_trainer
from .weights.base_weights import read_base_weights, untrained_rows
from .weights.weight_plan import WeightOptions, WeightPlan, plan_weights

# Llama 3 has 256 such rows, Qwen2.5 about 290; Gemma's 6,242 unused ones would cost more than they save.
MAX_UNTRAINED = 512
UNTRAINED_ROW = "as untrained in the base as the turn end is"
UNKNOWN_ROW = "special token; without the base's weights nobody knows whether its row was trained"
Status = Literal["clean", "fixable", "refused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectionOptions:
    """What the user may say: `template` is a name of the table, `trainer:name`, or a Jinja file."""

    template: str | None = None
    weights: WeightOptions = field(default_factory=WeightOptions)


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseModel:
    """The base's small files. Its weights need not be there."""

    files: BaseFiles
    tokenizer: TokenizerFiles


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """Everything known about one adapter. `profile` is that of an adapter that is converted already."""

    checkpoint: Checkpoint
    base: BaseModel
    trainer: TrainerRecord
    template: RecoveredTemplate | None
    own_tokenizer: TokenizerFiles | None
    diff: TokenizerDiff
    end_of_turn: tuple[EndOfTurnId, ...]
    weights: WeightPlan
    findings: tuple[Finding, ...]
    profile: ChatProfile | None

    @property
    def status(self) -> Status:
        """The worst of the findings: clean where there is nothing to do, as for an adapter that is converted already."""
        severities = {finding.severity for finding in self.findings}
        if "refused" in severities:
            return "refused"
        if self.profile is not None:
            return "clean"
        return "fixable" if severities & {"fixable", "mitigated"} else "clean"


def read_base(path: Path) -> BaseModel:
    """The base model in `path`.

    Raises:
        ModelFilesError: config.json or the tokenizer is missing or broken.
    """
    files = read_base_files(path)
    tokenizer = read_tokenizer(path, ModelFilesError, follow_links=True)
    if tokenizer is None:
        raise ModelFilesError(path, "has no tokenizer.json; --base must be a whole model directory")
    return BaseModel(files=files, tokenizer=tokenizer)


def inspect_adapter(
    path: Path, base: BaseModel, options: InspectionOptions | None = None
) -> Inspection:
    """Look at the adapter in `path`; writes nothing.

    Raises:
        CheckpointError: it is no LoRA adapter, or one of its files is broken.
        ProfileError: it is converted already and its endturn.json is broken.
        ModelFilesError: the base's files are broken.
    """
    options = options or InspectionOptions()
    checkpoint = read_checkpoint(path)
    trainer = recognise_trainer(checkpoint)
    own_tokenizer, own_template = _own_chat_files(checkpoint)
    tokenizer = own_tokenizer or base.tokenizer
    with TemplateProcess() as process:
        template = recover_template(
            trainer, tokenizer, base.tokenizer, own_template, options.template, process
        )
    weights = plan_weights(checkpoint, base.files, options.weights)
    untrained = _untrained(template, tokenizer, base, weights)
    adapter_eos_ids = _adapter_eos_ids(checkpoint)
    end_of_turn: tuple[EndOfTurnId, ...] = ()
    if template is not None:
        end_of_turn = end_of_turn_ids(
            EndOfTurnSources(
                base=base.files,
                base_tokenizer=base.tokenizer,
                tokenizer=tokenizer,
                turns=template.turns,
                template=template.name,
                stop_words=(*template.stop_words, *trainer.stop_words),
                adapter_eos_ids=adapter_eos_ids,
                untrained=untrained.ids,
                untrained_why=untrained.why,
            )
        )
    diff = compare_tokenizers(base.tokenizer, own_tokenizer)
    evidence = Evidence(
        checkpoint=checkpoint,
        base=base.files,
        base_tokenizer=base.tokenizer,
        own_tokenizer=own_tokenizer,
        own_template=own_template,
        trainer=trainer,
        template=template,
        diff=diff,
        end_of_turn=end_of_turn,
        adapter_eos_ids=adapter_eos_ids,
        end_is_untrained=untrained.end_is,
    )
    found = [*stop_causes(evidence), *prompt_causes(evidence), *weights.findings]
    return Inspection(
        checkpoint=checkpoint,
        base=base,
        trainer=trainer,
        template=template,
        own_tokenizer=own_tokenizer,
        diff=diff,
        end_of_turn=end_of_turn,
        weights=weights,
        findings=tuple(sorted(dict.fromkeys(found), key=lambda finding: finding.code)),
        profile=read_profile(checkpoint.path),
    )


def _own_chat_files(checkpoint: Checkpoint) -> tuple[TokenizerFiles | None, str | None]:
    """The tokenizer and the chat template that the adapter itself brings."""
    tokenizer = read_tokenizer(checkpoint.path, CheckpointError)
    if tokenizer is not None:
        return tokenizer, tokenizer.chat_template
    return None, read_chat_template(checkpoint.path, {}, CheckpointError)


def _adapter_eos_ids(checkpoint: Checkpoint) -> tuple[int, ...]:
    """torchtune copies the base's generation_config.json beside the adapter; others may write their own."""
    path = checkpoint.path / GENERATION_CONFIG_FILE
    if not path.is_file():
        return ()
    return eos_ids(read_json_object(path, CheckpointError), path)


@dataclass(frozen=True, slots=True)
class _Untrained:
    """Ids to stop on because the turn end's row may be as untrained as theirs. `end_is` is None where nobody knows."""

    end_is: bool | None
    ids: frozenset[int] = frozenset()
    why: str = ""


def _untrained(
    template: RecoveredTemplate | None,
    tokenizer: TokenizerFiles,
    base: BaseModel,
    weights: WeightPlan,
) -> _Untrained:
    """Rule 4 of cause B1: an untrained turn end cannot be told from the other untrained rows (QwenLM/Qwen3 #1064)."""
    end = None if template is None else tokenizer.ids.get("".join(template.turns.trained_end[:1]))
    plain = base_end_of_turn_ids(base.files, base.tokenizer.eos_token_id)
    if end is None or end in plain or end in weights.trained_ids:
        return _Untrained(end_is=False)
    base_weights = read_base_weights(base.files)
    if base_weights is None:
        return _Untrained(None, _nearest(tokenizer.special_ids, end), UNKNOWN_ROW)
    nameless = range(max(tokenizer.ids.values()) + 1, base_weights.num_rows)
    rows = untrained_rows(base_weights, sorted({end, *tokenizer.special_ids}), nameless)
    if end not in rows:
        return _Untrained(end_is=False)
    return _Untrained(True, _nearest(rows - weights.trained_ids, end), UNTRAINED_ROW)


def _nearest(ids: frozenset[int], end: int) -> frozenset[int]:
    """At most MAX_UNTRAINED of them, those beside the turn end first: the engine looks through the list at every token."""
    return frozenset(sorted(ids, key=lambda token_id: abs(token_id - end))[:MAX_UNTRAINED])
