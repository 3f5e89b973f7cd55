"""base_to_chat: an adapter as a trainer wrote it becomes one that serves as chat.

`plan_conversion` decides and can be printed; `write_converted` writes the directory at once or not at all. The result is
still a plain PEFT adapter, with the template, the tokenizer where it differs, and `endturn.json` beside it.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .base_identity import architecture, base_name, base_shape, vocab_size
from .chat_profile import (
    PROFILE_FILE,
    BaseModelRef,
    ChatProfile,
    FindingRecord,
    Guard,
    RenamedId,
    SamplingDefaults,
    TemplateRef,
    TokenizerRef,
    TokenLimits,
    Trainer,
    WeightFiles,
    write_profile,
)
from .checkpoint import TEMPLATE_FILE
from .errors import ConversionError
from .finding import Finding
from .inspection import Inspection
from .json_file import refuse_link_outside
from .tokenizer_files import SPECIAL_TOKENS_FILE, TOKENIZER_CONFIG_FILE, TOKENIZER_FILE
from .weights.weight_plan import write_weights

TOKENIZER_FILES = (TOKENIZER_FILE, TOKENIZER_CONFIG_FILE, SPECIAL_TOKENS_FILE)
# The words that go with the weights stay with them.
DOCUMENTS = ("LICENSE", "LICENSE.txt", "NOTICE", "README.md")
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileSettings:
    """What the user adds to the profile: `--set`, and a stop head that was fitted before."""

    sampling: SamplingDefaults = field(default_factory=SamplingDefaults)
    max_tokens: TokenLimits = field(default_factory=TokenLimits)
    stop_head: dict[str, object] | None = None

    def given(self) -> dict[str, object]:
        """The fields of a profile that are not as they are without any setting."""
        nothing = ProfileSettings()
        parts: dict[str, object] = {
            "sampling": self.sampling,
            "max_tokens": self.max_tokens,
            "stop_head": self.stop_head,
        }
        return {name: part for name, part in parts.items() if part != getattr(nothing, name)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """Everything about to be written; `profile.weights.files` is filled in when the files are there."""

    inspection: Inspection
    profile: ChatProfile
    template: str


def plan_conversion(
    inspection: Inspection, created_by: str, settings: ProfileSettings | None = None
) -> Conversion:
    """What `write_converted` will write. Writes nothing.

    Raises:
        ConversionError: the adapter cannot be converted; the message says why and what to do.
    """
    refused = [finding for finding in inspection.findings if finding.severity == "refused"]
    if refused or inspection.template is None:
        reasons = "; ".join(f"{f.code}: {f.evidence}: {f.action}" for f in refused)
        raise ConversionError(inspection.checkpoint.path, f"cannot be converted: {reasons}")
    settings = settings or ProfileSettings()
    if inspection.profile is not None:
        changed = inspection.profile.model_copy(update=settings.given())
        return Conversion(
            inspection=inspection, profile=changed, template=inspection.template.source
        )
    base, trainer, template = inspection.base, inspection.trainer, inspection.template
    profile = ChatProfile(
        format=1,
        created_by=created_by,
        base=BaseModelRef(
            name=base_name(inspection.checkpoint.config, base.files.path.name),
            architecture=architecture(base.files.config),
            vocab_size=vocab_size(base.files.config),
            shape=base_shape(base.files, base.tokenizer),
            weights=inspection.weights.base_weights,
        ),
        trainer=Trainer(
            name=trainer.name,
            version=trainer.version,
            template=trainer.template,
            evidence=trainer.evidence,
        ),
        template=TemplateRef.model_validate(
            {
                "confidence": template.confidence,
                "system": template.system,
                "special_tokens": dict(inspection.diff.names),
            }
        ),
        tokenizer=_tokenizer(inspection),
        end_of_turn=inspection.end_of_turn,
        role_markers=template.turns.role_markers if template.marks_turns_with_text else (),
        sampling=settings.sampling,
        max_tokens=settings.max_tokens,
        stop_head=settings.stop_head,
        guard=_guard(inspection.findings),
        weights=WeightFiles(
            rank=inspection.weights.rank,
            path=inspection.weights.path,
            changes=inspection.weights.changes,
        ),
        findings=tuple(_record(finding) for finding in inspection.findings),
    )
    return Conversion(inspection=inspection, profile=profile, template=template.source)


def write_converted(conversion: Conversion, target: Path, *, force: bool = False) -> None:
    """Write the converted adapter to `target`, by way of a sibling that is renamed when it is whole.

    Raises:
        ConversionError: `target` exists and `force` is not set, or holds something else than an adapter, or cannot be
            written.
    """
    _refuse_existing(target, force=force)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as name:
            made = Path(name) / "adapter"
            made.mkdir()
            _write_files(conversion, made)
            _put(made, target, Path(name) / "replaced" if force else None)
    except OSError as exc:
        raise ConversionError(target, f"cannot be written ({exc.strerror or exc})") from exc


def _put(made: Path, target: Path, replaced: Path | None) -> None:
    """Rename `made` to `target`; what was there goes to `replaced` and comes back where that fails."""
    if replaced is None or not target.exists():
        made.rename(target)
        return
    target.rename(replaced)
    try:
        made.rename(target)
    except OSError:
        replaced.rename(target)
        raise


def _write_files(conversion: Conversion, made: Path) -> None:
    inspection = conversion.inspection
    write_weights(inspection.weights, made)
    if inspection.profile is not None:
        _copy_converted(conversion, made)
        return
    (made / TEMPLATE_FILE).write_text(conversion.template, encoding="utf-8")
    for name in (*TOKENIZER_FILES, *DOCUMENTS):
        _copy(inspection.checkpoint.path / name, made / name)
    own = inspection.own_tokenizer
    if own is not None and not (made / TOKENIZER_FILE).exists():
        own.tokenizer.save(str(made / TOKENIZER_FILE))  # from a sentencepiece model
    weights = conversion.profile.weights.model_copy(update={"files": _digests(made)})
    profile = conversion.profile.model_copy(update={"weights": weights})
    write_profile(profile, made)


def _copy_converted(conversion: Conversion, made: Path) -> None:
    """An adapter that is converted already stays as it is, byte for byte, but for what `--set` changes."""
    inspection = conversion.inspection
    source = inspection.checkpoint.path
    template = source / conversion.profile.template.file
    if not template.is_file():
        raise ConversionError(template, "is missing; convert the raw adapter again")
    for name in (PROFILE_FILE, template.name, *TOKENIZER_FILES, *DOCUMENTS):
        _copy(source / name, made / name)
    if conversion.profile != inspection.profile:
        write_profile(conversion.profile, made)


def _copy(source: Path, target: Path) -> None:
    if source.is_file():
        refuse_link_outside(source, ConversionError)
        shutil.copyfile(source, target)


def _refuse_existing(target: Path, *, force: bool) -> None:
    if not target.exists() and not target.is_symlink():
        return
    if not force:
        raise ConversionError(
            target, "exists; choose another directory, or replace it with --force"
        )
    if (
        target.is_symlink()
        or not target.is_dir()
        or (any(target.iterdir()) and not (target / PROFILE_FILE).is_file())
    ):
        raise ConversionError(
            target, f"is no converted adapter (it has no {PROFILE_FILE}); not replaced"
        )


def _tokenizer(inspection: Inspection) -> TokenizerRef | None:
    diff = inspection.diff
    if not diff.needs_own_tokenizer:
        return None
    renamed = tuple(RenamedId(id=t.id, base=t.base, adapter=t.adapter) for t in diff.renamed)
    return TokenizerRef(renamed=renamed, num_added=len(diff.added))


def _guard(findings: tuple[Finding, ...]) -> Guard:
    """Where the end token was trained well, a role marker inside a code block is text like any other."""
    weak_end = any(finding.code in {"B2", "B3"} for finding in findings)
    return Guard(role_markers_in_code=weak_end)


def _record(finding: Finding) -> FindingRecord:
    severity = {"fixable": "fixed", "mitigated": "mitigated"}.get(finding.severity, "note")
    return FindingRecord.model_validate(
        {
            "code": finding.code,
            "severity": severity,
            "evidence": finding.evidence,
            "action": finding.action,
        }
    )


def _digests(made: Path) -> Mapping[str, str]:
    digests = {}
    for path in sorted(made.glob("*.safetensors")):
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
        digests[path.name] = digest.hexdigest()
    return digests
