"""The causes of runaway generation that a checkpoint's files show: groups A (stop identity) and B (end not emitted).

Each function looks for one cause; its code is that of the public taxonomy the README explains. Files only: what needs
the weights is found in `weight_plan`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .base_files import CONFIG_FILE, GENERATION_CONFIG_FILE, BaseFiles
from .chat_profile import EndOfTurnId
from .checkpoint import Checkpoint
from .end_of_turn import ROLE_TOKENS, base_end_of_turn_ids, eos_ids
from .finding import Finding
from .recovery import RecoveredTemplate
from .tokenizer_diff import TokenizerDiff
from .tokenizer_files import TokenizerFiles
from .trainers import TrainerName, TrainerRecord

RUNS_ON = "does not stop there and runs on"
# Trainers whose collators mask padding by its position, not by its id.
MASKS_BY_POSITION: frozenset[TrainerName] = frozenset(
    {"ms-swift", "LLaMA-Factory", "Axolotl", "torchtune"}
)
FEW_STEPS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything read so far. `own_tokenizer` is None where the adapter brought none.

    `end_is_untrained` is None where the base's weights are not there to be looked at.
    """

    checkpoint: Checkpoint
    base: BaseFiles
    base_tokenizer: TokenizerFiles
    own_tokenizer: TokenizerFiles | None
    own_template: str | None
    trainer: TrainerRecord
    template: RecoveredTemplate | None
    diff: TokenizerDiff
    end_of_turn: tuple[EndOfTurnId, ...]
    adapter_eos_ids: tuple[int, ...]
    end_is_untrained: bool | None

    @property
    def tokenizer(self) -> TokenizerFiles:
        """The tokenizer of the training."""
        return self.own_tokenizer or self.base_tokenizer

    @property
    def plain_stop_ids(self) -> frozenset[int]:
        """What plain vLLM stops on."""
        return frozenset(base_end_of_turn_ids(self.base, self.base_tokenizer.eos_token_id))

    @property
    def trained_end_ids(self) -> tuple[int, ...]:
        ends = () if self.template is None else self.template.turns.trained_end
        return tuple(self.tokenizer.ids[token] for token in ends if token in self.tokenizer.ids)


def stop_causes(evidence: Evidence) -> Iterator[Finding]:
    """Findings of groups A and B."""
    template = evidence.template
    if template is not None:
        yield from _turn_end_is_not_eos(evidence, template)  # A1
        yield from _list_collapsed(evidence, template)  # A3
        yield from _untrained_end(evidence)  # B1
        yield from _no_end_trained(evidence, template)  # B3
        yield from _end_on_last_turn_only(evidence, template)  # B5
    yield from _files_disagree(evidence)  # A2
    yield from _padding_is_end(evidence)  # B2
    yield from _special_stop_words(evidence)  # A4
    yield from _samples_cut(evidence)  # B4
    yield from _few_steps(evidence)  # B6


def _turn_end_is_not_eos(evidence: Evidence, template: RecoveredTemplate) -> Iterator[Finding]:
    ends = evidence.trained_end_ids
    if ends and not set(ends) <= evidence.plain_stop_ids:
        yield Finding(
            code="A1",
            severity="fixable",
            evidence=f"{template.evidence}: an answer ends with {_shown(ends, evidence)}, "
            f"the base's files stop on {_shown(sorted(evidence.plain_stop_ids), evidence)}",
            plain_vllm=RUNS_ON,
            action="stops on it by id",
        )


def _files_disagree(evidence: Evidence) -> Iterator[Finding]:
    base, tokenizer = evidence.base, evidence.base_tokenizer
    generation = base.generation_config or {}
    of_tokenizer = () if tokenizer.eos_token_id is None else (tokenizer.eos_token_id,)
    own = evidence.own_tokenizer
    said: dict[str, tuple[int, ...]] = {
        "tokenizer_config.json: eos_token": of_tokenizer,
        "config.json: eos_token_id": eos_ids(base.config, base.path / CONFIG_FILE),
        "generation_config.json: eos_token_id": eos_ids(
            generation, base.path / GENERATION_CONFIG_FILE
        ),
        "the adapter's eos_token": ()
        if own is None or own.eos_token_id is None
        else (own.eos_token_id,),
    }
    told = {name: ids for name, ids in said.items() if ids}
    if len({frozenset(ids) for ids in told.values()}) < 2:
        return
    missed = {token_id for ids in told.values() for token_id in ids} - evidence.plain_stop_ids
    yield Finding(
        code="A2",
        severity="fixable" if missed else "note",
        evidence="; ".join(
            f"{name} = {_shown(sorted(ids), evidence)}" for name, ids in told.items()
        ),
        plain_vllm=RUNS_ON if missed else "stops on all of them",
        action="stops on all of them",
    )


def _list_collapsed(evidence: Evidence, template: RecoveredTemplate) -> Iterator[Finding]:
    plain = evidence.plain_stop_ids
    roles = [token for token in ROLE_TOKENS if token in template.turns.turn_start]
    missed = [entry for entry in evidence.end_of_turn if roles and entry.token in ROLE_TOKENS]
    lost = sorted(plain - set(evidence.adapter_eos_ids)) if evidence.adapter_eos_ids else []
    if any(entry.id not in plain for entry in missed):
        ids = [entry.id for entry in missed]
        yield Finding(
            code="A3",
            severity="fixable",
            evidence=f"{template.evidence}: the next role's token ends a turn, {_shown(ids, evidence)}; "
            f"the base's files stop on {_shown(sorted(plain), evidence)}",
            plain_vllm=RUNS_ON,
            action="stops on the whole list",
        )
    elif lost:
        yield Finding(
            code="A3",
            severity="note",
            evidence=f"the adapter's generation_config.json: eos_token_id lacks {_shown(lost, evidence)} of the base's",
            plain_vllm="reads the base's file only",
            action="stops on both files' ids",
        )


def _special_stop_words(evidence: Evidence) -> Iterator[Finding]:
    special = [w for w in evidence.trainer.stop_words if w in evidence.tokenizer.ids]
    if special:
        yield Finding(
            code="A4",
            severity="fixable",
            evidence=f"args.json: stop_words = {special}",
            plain_vllm="never matches a special token as a stop string (vllm #2123)",
            action="stops on them by id",
        )


def _untrained_end(evidence: Evidence) -> Iterator[Finding]:
    if evidence.end_is_untrained:
        yield Finding(
            code="B1",
            severity="mitigated",
            evidence=f"the base's output row of {_shown(evidence.trained_end_ids, evidence)} is untrained, "
            "and the adapter does not train it",
            plain_vllm="gets some other untrained token at the end of an answer and runs on",
            action="stops on every untrained special id (QwenLM/Qwen3 #1064)",
        )
    elif evidence.end_is_untrained is None:
        yield Finding(
            code="B1",
            severity="note",
            evidence=f"whether the base trained {_shown(evidence.trained_end_ids, evidence)} is not known: "
            "its weights are not there",
            plain_vllm="runs on if the row is untrained",
            action="stops on every special id that no answer holds",
        )


def _padding_is_end(evidence: Evidence) -> Iterator[Finding]:
    tokenizer, trainer = evidence.tokenizer, evidence.trainer
    same = tokenizer.pad_token is not None and tokenizer.pad_token == tokenizer.eos_token
    template = evidence.template
    # A template that came with the base says little about texts that a script made.
    of_base = evidence.own_template == evidence.base_tokenizer.chat_template
    unknown = template is None or template.confidence == "guessed" or of_base
    eos_ends = unknown or tokenizer.eos_token_id in evidence.trained_end_ids
    if same and eos_ends and trainer.name not in MASKS_BY_POSITION:
        yield Finding(
            code="B2",
            severity="mitigated",
            evidence=f"tokenizer_config.json: pad_token = eos_token = {tokenizer.eos_token}; written by {trainer.name}",
            plain_vllm="never stops if the collator masked padding by id (transformers #23530)",
            action=_markers_or_limit(evidence),
        )


def _no_end_trained(evidence: Evidence, template: RecoveredTemplate) -> Iterator[Finding]:
    turns, counted = template.turns, evidence.trainer.trained_tokens
    why = None
    if not turns.trained_end and not any(t in ROLE_TOKENS for t in turns.turn_start):
        why = f"{template.evidence}: nothing ends an answer in it"
    elif counted is not None and turns.trained_end:
        # Axolotl trains a turn's end only where it is the EOS token or one of eot_tokens.
        end = turns.trained_end[0]
        if end not in (evidence.tokenizer.eos_token, *counted):
            why = f"README.md: neither eot_tokens nor eos_token is {end}, so it was not in the loss"
    if why is not None:
        yield Finding(
            code="B3",
            severity="mitigated",
            evidence=why,
            plain_vllm="never stops",
            action=_markers_or_limit(evidence),
        )


def _samples_cut(evidence: Evidence) -> Iterator[Finding]:
    if evidence.trainer.cuts_samples is not None:
        yield Finding(
            code="B4",
            severity="mitigated",
            evidence=evidence.trainer.cuts_samples,
            plain_vllm="runs on where an answer is longer than the samples were cut to",
            action="limits the tokens of an answer; train again with longer samples, or dropping them",
        )


def _end_on_last_turn_only(evidence: Evidence, template: RecoveredTemplate) -> Iterator[Finding]:
    said = evidence.trainer.leaves_ends_out
    if said is None and template.turns.ends_every_turn:
        return
    yield Finding(
        code="B5",
        severity="fixable" if template.turns.role_markers else "mitigated",
        evidence=said
        or f"{template.evidence}: only a conversation's last answer trains the end token",
        plain_vllm="asks the next question itself in the first turns of a conversation",
        action=_markers_or_limit(evidence),
    )


def _few_steps(evidence: Evidence) -> Iterator[Finding]:
    steps = evidence.trainer.num_steps
    if steps is not None and steps < FEW_STEPS:
        yield Finding(
            code="B6",
            severity="note",
            evidence=f"trainer_state.json: global_step = {steps}",
            plain_vllm="may find the end token too unlikely",
            action="nothing; check with held-out questions, and train longer if answers run on",
        )


def _markers_or_limit(evidence: Evidence) -> str:
    markers = () if evidence.template is None else evidence.template.turns.role_markers
    if markers:
        return f"stops where the next turn begins: {', '.join(map(repr, markers))}"
    return "limits the tokens of an answer; only training mends it"


def _shown(ids: Iterable[int | None], evidence: Evidence) -> str:
    tokens = [f"{evidence.tokenizer.token(i) or '?'} ({i})" for i in ids if i is not None]
    return ", ".join(tokens) if tokens else "nothing"
