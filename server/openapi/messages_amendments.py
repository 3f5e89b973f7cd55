"""What the translation of Anthropic's requests knows, as JSON Schema can say it."""

from ..schema.messages_schema import (
    OTHER_NAMES,
    THOUGHTS,
    Block,
    CountTokensRequest,
    MessagesRequest,
    OutputConfig,
    TextBlock,
    Turn,
)
from ..schema.request_object import RequestPart
from ..schema.tool_schema import MAX_TOOLS
from .chat_amendments import (
    CALL_ID,
    CONSTRAINING_FORMAT,
    DEMANDED_CALL,
    SOME_TOOLS,
    STOPS,
    TOOL_NAME,
    format_beside,
)
from .component_schemas import Amendment, reference
from .schema_words import (
    ARRAY,
    NULL,
    OBJECT,
    TEXT,
    Schema,
    given,
    not_here,
    not_together,
    or_null,
    when,
)

_TOOL: Schema = {
    **OBJECT,
    "required": ["name"],
    "properties": {
        "type": {"enum": [None, "custom"]},
        "name": TOOL_NAME,
        "description": or_null(TEXT),
        "input_schema": or_null(OBJECT),
        "strict": or_null({"type": "boolean"}),
    },
}
_TOOL_CHOICE: Schema = {
    **OBJECT,
    "required": ["type"],
    "properties": {"type": {"enum": ["auto", "any", "none", "tool"]}},
    "allOf": [
        when(
            "It needs the tool's name.", given("type", {"const": "tool"}), given("name", TOOL_NAME)
        )
    ],
}


def _items(kinds: set[str]) -> Schema:
    """Content that has only blocks of these types."""
    return {"properties": {"content": {"items": given("type", {"enum": sorted(kinds)})}}}


_TEXTS: Schema = {
    "anyOf": [
        TEXT,
        {
            **ARRAY,
            "items": {
                "allOf": [
                    reference(TextBlock),
                    given("type", {"const": "text"}),
                    given("text", TEXT),
                ]
            },
        },
    ]
}

_REQUEST = Amendment(
    fields={
        **{name: not_here(here) for name, here in OTHER_NAMES.items()},
        "system": or_null(_TEXTS),
        "tools": or_null({**ARRAY, "items": _TOOL, "maxItems": MAX_TOOLS}),
        "tool_choice": or_null(_TOOL_CHOICE),
        "top_logprobs": {"enum": [None, 0], "description": "This API has no log-probabilities."},
    },
    together=(
        when(
            DEMANDED_CALL,
            given("tool_choice", given("type", {"enum": ["any", "tool"]})),
            SOME_TOOLS,
        ),
        not_together(
            "Only one of structured_outputs and output_config.format constrains an answer.",
            given("structured_outputs", OBJECT),
            given("output_config", given("format", CONSTRAINING_FORMAT)),
        ),
    ),
)
_TURN = Amendment(
    together=(
        when(
            "An assistant uses tools.",
            given("role", {"const": "assistant"}),
            _items({"text", "tool_use", *THOUGHTS}),
        ),
        when(
            "A user has their results.",
            given("role", {"const": "user"}),
            _items({"text", "tool_result", *THOUGHTS}),
        ),
        when(
            "A system message is text.",
            given("role", {"const": "system"}),
            _items({"text", *THOUGHTS}),
        ),
    ),
)
_BLOCK = Amendment(
    fields={"type": {"enum": ["text", "tool_use", "tool_result", *sorted(THOUGHTS)]}},
    together=(
        when("Text needs text.", given("type", {"const": "text"}), given("text", TEXT)),
        when(
            "A use of a tool needs id and name.",
            given("type", {"const": "tool_use"}),
            given("id", CALL_ID),
            given("name", CALL_ID),
        ),
        when(
            "A result says of which use.",
            given("type", {"const": "tool_result"}),
            given("tool_use_id", {**TEXT, "maxLength": 256}),
            {"properties": {"content": or_null(_TEXTS)}},
        ),
    ),
)

AMENDMENTS: dict[type[RequestPart], Amendment] = {
    CountTokensRequest: _REQUEST,
    MessagesRequest: Amendment(fields={"stop_sequences": or_null(STOPS)}),
    Turn: _TURN,
    Block: _BLOCK,
    OutputConfig: Amendment(fields={"format": {"anyOf": [format_beside(needs_name=False), NULL]}}),
}
