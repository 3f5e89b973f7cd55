"""Our constraint on an answer as vLLM's, and back: a parser may put its own in the place of the client's."""

import json
from typing import Any

from vllm.sampling_params import StructuredOutputsParams

from .structured_output import StructuredOutput

_OPTIONS = ("disable_any_whitespace", "disable_additional_properties", "whitespace_pattern")


def structured_outputs_params(asked: StructuredOutput | None) -> StructuredOutputsParams | None:
    """Our constraint as vLLM's."""
    if asked is None:
        return None
    value: Any = asked.text
    if asked.kind == "json_object":
        value = True
    elif asked.kind == "choice":
        value = list(asked.choices)
    options = {name: getattr(asked, name) for name in _OPTIONS}
    return StructuredOutputsParams(**{asked.kind: value}, **options)


def structured_output(params: StructuredOutputsParams | None) -> StructuredOutput | None:
    """vLLM's constraint as ours."""
    if params is None:
        return None
    options: dict[str, Any] = {name: getattr(params, name) for name in _OPTIONS}
    if params.json_object:
        return StructuredOutput(kind="json_object", **options)
    if params.choice is not None:
        return StructuredOutput(kind="choice", choices=tuple(params.choice), **options)
    if params.json is not None:
        text = params.json if isinstance(params.json, str) else json.dumps(params.json)
        return StructuredOutput(kind="json", text=text, **options)
    if params.regex is not None:
        return StructuredOutput(kind="regex", text=params.regex, **options)
    if params.grammar is not None:
        return StructuredOutput(kind="grammar", text=params.grammar, **options)
    return StructuredOutput(kind="structural_tag", text=params.structural_tag, **options)
