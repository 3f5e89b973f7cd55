"""What the translation of OpenAI's Responses requests knows, as JSON Schema can say it."""

from ..schema.chat import MAX_MESSAGES
from ..schema.request_object import RequestPart
from ..schema.responses_schema import (
    OTHER_NAMES,
    STATEFUL,
    TEXT_PARTS,
    InputItem,
    ResponsesRequest,
    TextOptions,
)
from ..schema.tool_schema import MAX_TOOLS
from .chat_amendments import (
    CALL_ID,
    CONSTRAINING_FORMAT,
    DEMANDED_CALL,
    JSON_OBJECT_TEXT,
    SOME_TOOLS,
    TOOL_NAME,
    format_beside,
)
from .component_schemas import Amendment, reference
from .schema_words import (
    ARRAY,
    NOT_NULL,
    OBJECT,
    TEXT,
    Schema,
    given,
    not_here,
    not_together,
    or_null,
    some,
    when,
)

_TOOL: Schema = {
    **OBJECT,
    "required": ["type", "name"],
    "properties": {
        "type": {"const": "function"},
        "name": TOOL_NAME,
        "description": or_null(TEXT),
        "parameters": or_null(OBJECT),
        "strict": or_null({"type": "boolean"}),
    },
}
_NAMED: Schema = {
    **OBJECT,
    "required": ["type", "name"],
    "properties": {"type": {"const": "function"}, "name": TOOL_NAME},
}
_TEXT_PART: Schema = {
    "required": ["type", "text"],
    "properties": {"type": {"enum": sorted(TEXT_PARTS)}, "text": TEXT},
}
_TEXTS: Schema = {"anyOf": [TEXT, {**ARRAY, "items": _TEXT_PART}]}
_IS_CALL = given("type", {"const": "function_call"})
_IS_OUTPUT = given("type", {"const": "function_call_output"})
_IS_REASONING = given("type", {"const": "reasoning"})
_IS_MESSAGE: Schema = {"properties": {"type": {"enum": ["message", None]}}}

_REQUEST = Amendment(
    fields={
        **{name: not_here(here) for name, here in OTHER_NAMES.items()},
        **{
            name: {"enum": [None, False], "description": "This server keeps no answers."}
            for name in STATEFUL
        },
        "input": {
            "anyOf": [
                {**TEXT, "minLength": 1},
                {**some(reference(InputItem)), "maxItems": MAX_MESSAGES},
            ]
        },
        "tools": or_null({**ARRAY, "items": _TOOL, "maxItems": MAX_TOOLS}),
        "tool_choice": {"anyOf": [{"enum": ["auto", "none", "required", None]}, _NAMED]},
    },
    together=(
        when(
            DEMANDED_CALL,
            given("tool_choice", {"anyOf": [{"const": "required"}, OBJECT]}),
            SOME_TOOLS,
        ),
        not_together(
            "Only one of structured_outputs and text.format constrains an answer.",
            given("structured_outputs", OBJECT),
            given("text", given("format", CONSTRAINING_FORMAT)),
        ),
        when(
            "What a model thought before is no message.",
            given("input", {**ARRAY, "items": _IS_REASONING}),
            given("instructions", TEXT),
        ),
    ),
)
_ITEM = Amendment(
    fields={
        "type": {"enum": ["message", "function_call", "function_call_output", "reasoning", None]}
    },
    together=(
        when(
            "A message has role and content.",
            _IS_MESSAGE,
            given("role", NOT_NULL),
            given("content", _TEXTS),
        ),
        when(
            "A call has its id and name; its arguments are an object.",
            _IS_CALL,
            given("call_id", CALL_ID),
            given("name", CALL_ID),
            {"properties": {"arguments": or_null(JSON_OBJECT_TEXT)}},
        ),
        when(
            "An output says of which call.",
            _IS_OUTPUT,
            given("call_id", {**TEXT, "maxLength": 256}),
            given("output", _TEXTS),
        ),
    ),
)

AMENDMENTS: dict[type[RequestPart], Amendment] = {
    ResponsesRequest: _REQUEST,
    InputItem: _ITEM,
    TextOptions: Amendment(fields={"format": or_null(format_beside(needs_name=True))}),
}
