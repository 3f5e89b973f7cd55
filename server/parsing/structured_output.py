"""What an answer must look like, as a frozen value: a JSON schema, a regular expression, a choice, a grammar or a tag.

Made from a request by `output_schema`, or by a tool parser from the tools; the engine turns it into a mask over tokens.
"""

from dataclasses import dataclass
from typing import Literal

ConstraintKind = Literal["json", "json_object", "regex", "choice", "grammar", "structural_tag"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StructuredOutput:
    """One constraint. `text` is its definition (JSON as text), empty for `json_object` and `choice`."""

    kind: ConstraintKind
    text: str = ""
    choices: tuple[str, ...] = ()
    disable_any_whitespace: bool = False
    disable_additional_properties: bool = False
    whitespace_pattern: str | None = None
