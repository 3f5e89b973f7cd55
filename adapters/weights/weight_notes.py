"""What is found while weights are converted: findings, one line for each change, and whether only a merge is left."""

from dataclasses import dataclass, field

from ..finding import Finding, Severity

REFUSES = "refuses to load it"
MERGE = "nothing as an adapter; --merge writes a standalone model, exactly"
MERGED = "merged into a standalone model"


@dataclass(slots=True)
class WeightNotes:
    """Collects over the steps of a conversion. `merges` says whether the user asked for a merge."""

    merges: bool = False
    findings: list[Finding] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)

    @property
    def is_refused(self) -> bool:
        """Whether something was found that nothing removes."""
        return any(finding.severity == "refused" for finding in self.findings)

    def fixed(self, code: str, evidence: str, action: str, plain_vllm: str = REFUSES) -> None:
        """A cause that is gone after conversion."""
        self.found(code, "fixable", evidence, action, plain_vllm)
        self.changes.append(action)

    def refused(self, code: str, evidence: str, action: str, plain_vllm: str = REFUSES) -> None:
        """A cause that nothing here removes."""
        self.found(code, "refused", evidence, action, plain_vllm)

    def merge_only(
        self, code: str, evidence: str, action: str = MERGE, plain_vllm: str = REFUSES
    ) -> None:
        """A cause that only a merge removes; `action` says so where none was asked for."""
        if self.merges:
            self.fixed(code, evidence, MERGED, plain_vllm)
        else:
            self.refused(code, evidence, action, plain_vllm)

    def found(
        self, code: str, severity: Severity, evidence: str, action: str, plain_vllm: str
    ) -> None:
        """Any finding."""
        found = Finding(
            code=code, severity=severity, evidence=evidence, plain_vllm=plain_vllm, action=action
        )
        self.findings.append(found)
