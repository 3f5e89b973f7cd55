"""Causes that lie in the prompt (group C), the tokenizer (D3, D5), and what the output side needs (E1, E5)."""

from collections.abc import Iterator

from .base_files import GENERATION_CONFIG_FILE
from .causes import Evidence
from .finding import Finding
from .recovery import RecoveredTemplate
from .templates import template_names

SHOWN = 3


def prompt_causes(evidence: Evidence) -> Iterator[Finding]:
    """Findings of groups C, D (tokenizer) and E."""
    template = evidence.template
    yield from _no_template(evidence)  # C1
    if template is not None:
        yield from _ambiguous_name(template)  # C2
        yield from _system_prompt(evidence, template)  # C3
        yield from _double_start(evidence, template)  # C4
        yield from _marked_with_text(template)  # E1
    yield from _tokens_added(evidence)  # D3
    yield from _tokens_renamed(evidence)  # D5
    yield from _short_by_default(evidence)  # E5


def _no_template(evidence: Evidence) -> Iterator[Finding]:
    """The engine has one template for all: the base's. What an adapter brings, or was trained with, it never reads."""
    of_base, own = evidence.base_tokenizer.chat_template, evidence.own_template
    plain = "answers 400: the base has no template" if of_base is None else "uses the base's"
    if evidence.template is None:
        yield Finding(
            code="C1",
            severity="refused",
            evidence=f"no chat template in the adapter or the base, and {evidence.trainer.evidence[0]}",
            plain_vllm=plain,
            action="say which one it was trained with: --template NAME or --template FILE",
        )
    elif own is None or own != of_base:
        brought = "no chat template in the adapter" if own is None else "the adapter's own template"
        yield Finding(
            code="C1",
            severity="fixable",
            evidence=f"{brought}; {evidence.template.evidence}",
            plain_vllm=plain,
            action=f"writes template {evidence.template.name} ({evidence.template.confidence})",
        )


def _ambiguous_name(template: RecoveredTemplate) -> Iterator[Finding]:
    if template.confidence == "guessed":
        yield Finding(
            code="C2",
            severity="mitigated",
            evidence=f"the template is a guess: {template.evidence}",
            plain_vllm="guesses too, without saying so",
            action="uses it; say which one it was trained with: --template NAME or --template FILE",
        )
        return
    if template.table is None:
        return
    same_name = [
        entry
        for entry in template_names()
        if entry.endswith(f":{template.name}")
        and entry.partition(":")[0] not in ("any", template.table.trainer)
    ]
    if same_name:
        yield Finding(
            code="C2",
            severity="note",
            evidence=f"{template.evidence}; {', '.join(same_name)} has the same name",
            plain_vllm="knows no template by name",
            action=f"uses that of {template.table.trainer}",
        )


def _system_prompt(evidence: Evidence, template: RecoveredTemplate) -> Iterator[Finding]:
    if template.system:
        yield Finding(
            code="C3",
            severity="fixable",
            evidence=f"{template.evidence}: system prompt {template.system!r:.80}",
            plain_vllm="sends none, or the base template's",
            action="is in the template where a conversation brings none",
        )
    of_base = evidence.base_tokenizer.chat_template
    if (
        evidence.trainer.name == "LLaMA-Factory"
        and of_base is not None
        and template.source == of_base
    ):
        yield Finding(
            code="C3",
            severity="mitigated",
            evidence="LLaMA-Factory keeps the base's template in the adapter, and records neither the name of its own "
            "nor its system prompt",
            plain_vllm="uses the base's system prompt",
            action="uses the base's too; name the one it was trained with: --template LLaMA-Factory:NAME",
        )


def _double_start(evidence: Evidence, template: RecoveredTemplate) -> Iterator[Finding]:
    tokenizer, ends = evidence.tokenizer, template.turns.trained_end
    if len(ends) > 1:
        yield Finding(
            code="C4",
            severity="fixable",
            evidence=f"{template.evidence}: an answer ends with {' and '.join(ends)}",
            plain_vllm="stops on one of them at most",
            action="stops on the first that comes",
        )
    bos = tokenizer.bos_token
    if bos is not None and tokenizer.adds_bos and template.writes_bos(bos):
        yield Finding(
            code="C4",
            severity="note",
            evidence=f"template and tokenizer both write {bos}",
            plain_vllm="writes it once in chat, twice where a client sends rendered text",
            action="writes it once",
        )


def _tokens_added(evidence: Evidence) -> Iterator[Finding]:
    added = evidence.diff.added
    if added:
        shown = ", ".join(f"{token} ({token_id})" for token_id, token in added[:SHOWN])
        yield Finding(
            code="D3",
            severity="fixable",
            evidence=f"tokenizer.json: {len(added)} tokens the base has not got: {shown}",
            plain_vllm="splits their text into pieces: it reads the base's tokenizer",
            action="the adapter's tokenizer is used for it",
        )


def _tokens_renamed(evidence: Evidence) -> Iterator[Finding]:
    renamed = evidence.diff.renamed
    if renamed:
        shown = ", ".join(
            f"{token.id} is {token.adapter} here and {token.base} in the base"
            for token in renamed[:SHOWN]
        )
        yield Finding(
            code="D5",
            severity="fixable",
            evidence=f"tokenizer.json: {len(renamed)} ids renamed: {shown}",
            plain_vllm="reads the base's tokenizer: prompts unlike the training's",
            action="the adapter's tokenizer is used for it",
        )


def _marked_with_text(template: RecoveredTemplate) -> Iterator[Finding]:
    if template.marks_turns_with_text:
        markers = ", ".join(map(repr, template.turns.role_markers))
        yield Finding(
            code="E1",
            severity="fixable",
            evidence=f"{template.evidence}: plain text opens a turn",
            plain_vllm="returns the next question as part of the answer where the end is missed",
            action=f"stops before {markers}",
        )


def _short_by_default(evidence: Evidence) -> Iterator[Finding]:
    limit = (evidence.base.generation_config or {}).get("max_new_tokens")
    if isinstance(limit, int):
        yield Finding(
            code="E5",
            severity="fixable",
            evidence=f"{GENERATION_CONFIG_FILE}: max_new_tokens = {limit}",
            plain_vllm=f"cuts every answer at {limit} tokens unless the client says otherwise",
            action="is not used; the profile's limit is",
        )
