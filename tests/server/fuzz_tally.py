"""What came of generated requests, and why one that is valid by the document may be refused all the same."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Reason:
    """Why a request that is valid by the document may be refused all the same: status, and what the message says."""

    name: str
    status: int
    message: str


# What depends on the served model, on other values of the request, or on what is in a text.
REASONS = (
    Reason("no such model", 404, r"the model .* does not exist"),
    Reason("stored response", 404, r"response .* is not here"),
    Reason("no such source", 400, r"^lora_path: "),
    Reason("no such adapter", 404, r"^lora_name: no adapter"),
    Reason("not in the vocabulary", 400, r"not in this model's vocabulary|no token id below"),
    Reason("no room in the context", 400, r"which leaves no room for an answer"),
    Reason("min_tokens over the limit", 400, r"^min_tokens: \d+ is over the most"),
    Reason("best_of against n or stream", 400, r"^best_of: "),
    Reason("too many choices together", 400, r"^prompt: .* a request is for .* at most"),
    Reason(
        "text is no JSON object",
        400,
        r"must be a JSON object as text|this is not valid JSON|a JSON schema must be",
    ),
    Reason("the same tool name twice", 400, r"^tools: each needs a name of its own"),
    Reason("a tool that is not there", 400, r"^tool_choice: there is no tool"),
    Reason("pattern sizes", 400, r"min_pattern_size must not be over max_pattern_size"),
    Reason(
        "the template refuses",
        400,
        r"^the chat template refuses these messages|has no place for tools",
    ),
    Reason("nothing to tokenise", 400, r"^prompt(\[\d+\])?: it has no tokens"),
)


@dataclass
class Tally:
    """What came of the requests to one endpoint."""

    sent: int = 0
    valid: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    streams: int = 0
    problems: list[str] = field(default_factory=list)


def reason_for(status: int, message: str) -> str | None:
    """Why a valid request was refused; None where there is no reason that the document could not say."""
    for reason in REASONS:
        if reason.status == status and re.search(reason.message, message, re.DOTALL):
            return reason.name
    return None


def table(tallies: Mapping[str, Tally]) -> str:
    """What came of the requests, a line an endpoint."""
    lines = [
        "| endpoint | sent | valid | streamed | statuses | valid, but refused |",
        "|---|---|---|---|---|---|",
    ]
    for label, tally in tallies.items():
        statuses = ", ".join(f"{status}: {n}" for status, n in sorted(tally.statuses.items()))
        reasons = ", ".join(f"{name}: {n}" for name, n in tally.reasons.most_common())
        lines.append(
            f"| {label} | {tally.sent} | {tally.valid} | {tally.streams} | {statuses} | {reasons} |"
        )
    return "\n".join(lines)
