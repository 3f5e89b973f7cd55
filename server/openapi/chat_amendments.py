"""What the validators of chat, completion and token requests know, as JSON Schema can say it."""

from ..prompt import RESERVED_KWARGS
from ..schema.chat import ChatCompletionRequest, TokenizeRequest
from ..schema.completions import MAX_PROMPTS, CompletionRequest
from ..schema.generation_request import (
    MAX_BIASES,
    MAX_STOP_CHARS,
    MAX_STOPS,
    GenerationRequest,
)
from ..schema.output_schema import MAX_SCHEMA_BYTES, JsonSchema, ResponseFormat, StructuredOutputs
from ..schema.request_object import RequestPart
from ..schema.request_parts import Message, RepetitionDetectionField
from ..schema.tool_schema import CalledFunction, ToolFields
from .component_schemas import MAX_INTEGER, Amendment, reference
from .schema_words import (
    ARRAY,
    NOT_NULL,
    NULL,
    OBJECT,
    TEXT,
    TRUE,
    Schema,
    exactly_one_of,
    given,
    not_together,
    or_null,
    some,
    when,
)

JSON_OBJECT_TEXT: Schema = {
    **TEXT,
    "contentMediaType": "application/json",
    "contentSchema": OBJECT,
}
CONSTRAINING_FORMAT: Schema = given(
    "type", {"enum": ["json_object", "json_schema", "structural_tag"]}
)
STOP: Schema = {**TEXT, "minLength": 1, "maxLength": MAX_STOP_CHARS}
STOPS: Schema = {"type": "array", "items": STOP, "maxItems": MAX_STOPS}
CALL_ID: Schema = {**TEXT, "minLength": 1, "maxLength": 256}
TOOL_NAME: Schema = {**TEXT, "pattern": "^[A-Za-z0-9_.:/-]{1,128}$"}
DEMANDED_CALL = "A call that is asked for needs tools."
SOME_TOOLS: Schema = given("tools", some())
_TOKEN_IDS = some({"type": "integer", "minimum": 0, "maximum": MAX_INTEGER})
_POSITIVE: Schema = {"type": "integer", "minimum": 1}
_BIASES: Schema = {
    **OBJECT,
    "propertyNames": {"pattern": "^[0-9]{1,10}$"},
    "additionalProperties": {"type": "number", "minimum": -100, "maximum": 100},
    "maxProperties": MAX_BIASES,
}
_PROMPTS: Schema = {
    "description": "One prompt or several, each as text or as token ids.",
    "anyOf": [
        TEXT,
        _TOKEN_IDS,
        {**some(TEXT), "maxItems": MAX_PROMPTS},
        {**some(_TOKEN_IDS), "maxItems": MAX_PROMPTS},
    ],
}


def format_beside(*, needs_name: bool) -> Schema:
    """A form of the answer whose schema lies beside its type."""
    name: Schema = {"name": CALL_ID}
    fields: Schema = {
        "type": {"const": "json_schema"},
        "description": or_null(TEXT),
        "schema": OBJECT,
        "strict": or_null({"type": "boolean"}),
    }
    required = ["type", "schema", *(name if needs_name else ())]
    free: Schema = {
        "type": {"enum": ["text", "json_object"]},
        "json_schema": or_null(reference(JsonSchema)),
    }
    return {
        "oneOf": [
            {**OBJECT, "required": required, "properties": fields | name},
            {**OBJECT, "required": ["type"], "properties": free},
        ]
    }


_GENERATION = Amendment(
    fields={"stop": {"anyOf": [STOP, STOPS, NULL]}, "logit_bias": or_null(_BIASES)},
    together=(
        not_together(
            "Only one of structured_outputs and response_format constrains an answer.",
            given("structured_outputs", OBJECT),
            given("response_format", CONSTRAINING_FORMAT),
        ),
        not_together(
            "prompt_logprobs are not streamed.",
            given("stream", TRUE),
            given("prompt_logprobs", {"type": "integer"}),
        ),
    ),
)
_TOOLS = Amendment(
    fields={
        "chat_template_kwargs": {
            **OBJECT,
            "propertyNames": {"not": {"enum": sorted(RESERVED_KWARGS)}},
        },
    },
    together=(
        when(
            DEMANDED_CALL,
            given("tool_choice", {"anyOf": [{"const": "required"}, OBJECT]}),
            SOME_TOOLS,
        ),
    ),
)
_CHAT = Amendment(
    together=(
        when(
            "top_logprobs needs logprobs.",
            given("top_logprobs", {"type": "integer", "minimum": 1}),
            given("logprobs", TRUE),
        ),
    ),
)
_COMPLETION = Amendment(
    fields={"prompt": _PROMPTS},
    together=(
        when("max_tokens 0 needs echo.", given("max_tokens", {"const": 0}), given("echo", TRUE)),
    ),
)
_MESSAGE = Amendment(
    together=(
        when(
            "A tool's message says which call it answers.",
            given("role", {"const": "tool"}),
            given("tool_call_id", TEXT),
            given("content", NOT_NULL),
        ),
        when(
            "Only an assistant calls tools.",
            given("tool_calls", some()),
            given("role", {"const": "assistant"}),
        ),
    ),
)
_STRUCTURED_OUTPUTS = Amendment(
    fields={
        "json": {"anyOf": [JSON_OBJECT_TEXT, OBJECT, NULL]},
        "structural_tag": or_null(
            {**JSON_OBJECT_TEXT, "minLength": 1, "maxLength": MAX_SCHEMA_BYTES}
        ),
    },
    together=(
        exactly_one_of("json", "json_object", "regex", "choice", "grammar", "structural_tag"),
    ),
)
_REPETITION = Amendment(
    together=(
        when(
            "A pattern comes at least twice.",
            given("max_pattern_size", _POSITIVE),
            given("min_count", {"type": "integer", "minimum": 2}),
        ),
        when(
            "min_pattern_size is not over max_pattern_size.",
            given("min_pattern_size", _POSITIVE),
            given("max_pattern_size", _POSITIVE),
        ),
    ),
)

_TAG: Schema = {
    "anyOf": [
        given("format", OBJECT),
        {"allOf": [given("structures", ARRAY), given("triggers", ARRAY)]},
    ]
}

AMENDMENTS: dict[type[RequestPart], Amendment] = {
    GenerationRequest: _GENERATION,
    ToolFields: _TOOLS,
    ChatCompletionRequest: _CHAT,
    CompletionRequest: _COMPLETION,
    TokenizeRequest: Amendment(together=(exactly_one_of("prompt", "messages"),)),
    Message: _MESSAGE,
    CalledFunction: Amendment(fields={"arguments": JSON_OBJECT_TEXT}),
    ResponseFormat: Amendment(
        together=(
            when(
                "json_schema needs its schema.",
                given("type", {"const": "json_schema"}),
                given("json_schema", OBJECT),
            ),
            when(
                "structural_tag needs its format, or structures and triggers.",
                given("type", {"const": "structural_tag"}),
                _TAG,
            ),
        )
    ),
    StructuredOutputs: _STRUCTURED_OUTPUTS,
    RepetitionDetectionField: _REPETITION,
}
