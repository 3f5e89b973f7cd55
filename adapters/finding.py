"""One thing base_to_chat found in a checkpoint, coded by cause."""

from dataclasses import dataclass
from typing import Literal

# note: nothing to do. fixable: conversion removes the cause. mitigated: conversion limits what the cause does, only
# training removes it. refused: this adapter cannot be served as it is.
Severity = Literal["note", "fixable", "mitigated", "refused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`evidence` is `file: key = value`; `plain_vllm` what vLLM does with the raw directory; `action` what conversion does."""

    code: str
    severity: Severity
    evidence: str
    plain_vllm: str
    action: str
