"""Bodies of requests that work on any served model that has a chat template; the model's name is put in."""

from collections.abc import Mapping
from typing import Any

Examples = Mapping[str, Mapping[str, Any]]
_QUESTION = "What does os.path.join do?"
_MESSAGES = [{"role": "user", "content": _QUESTION}]

CHAT: Examples = {
    "A question": {"messages": _MESSAGES},
    "A stream": {
        "messages": [
            {"role": "system", "content": "Answer in one sentence."},
            *_MESSAGES,
            {"role": "assistant", "content": "It joins parts of a path."},
            {"role": "user", "content": [{"type": "text", "text": "And split?"}]},
        ],
        "max_tokens": 64,
        "temperature": 0.7,
        "stop": ["\n\n"],
        "stream": True,
        "stream_options": {"include_usage": True},
    },
    "Without role markers, with log-probabilities": {
        "messages": _MESSAGES,
        "temperature": 0,
        "logprobs": True,
        "top_logprobs": 2,
        "endturn": {"guards": {"role_markers": False}},
    },
    "A form": {
        "messages": _MESSAGES,
        "response_format": {
            "type": "json_schema",
            "json_schema": {
                "name": "answer",
                "schema": {
                    "type": "object",
                    "properties": {"answer": {"type": "string"}},
                    "required": ["answer"],
                    "additionalProperties": False,
                },
            },
        },
    },
}
COMPLETION: Examples = {
    "A text": {"prompt": "The function os.path.join", "max_tokens": 32},
    "A stream": {"prompt": "The function os.path.join", "max_tokens": 32, "stream": True},
}
RESPONSES: Examples = {
    "A question": {"input": _QUESTION},
    "A stream": {
        "instructions": "Answer in one sentence.",
        "input": [{"type": "message", "role": "user", "content": _QUESTION}],
        "max_output_tokens": 64,
        "stream": True,
    },
}
MESSAGES: Examples = {
    "A question": {"max_tokens": 64, "messages": _MESSAGES},
    "A stream": {
        "max_tokens": 64,
        "system": "Answer in one sentence.",
        "messages": [{"role": "user", "content": [{"type": "text", "text": _QUESTION}]}],
        "stop_sequences": ["\n\n"],
        "stream": True,
    },
}
COUNT: Examples = {"A question": {"system": "Answer in one sentence.", "messages": _MESSAGES}}
TOKENIZE: Examples = {
    "A text": {"prompt": _QUESTION, "return_token_strs": True},
    "A conversation": {"messages": _MESSAGES},
}
LOAD_ADAPTER: Examples = {
    "A directory": {"lora_name": "support", "lora_path": "/adapters/support-v2"},
}
UNLOAD_ADAPTER: Examples = {"By its name": {"lora_name": "support"}}
DETOKENIZE: Examples = {"Three tokens": {"tokens": [72, 105, 33]}}
