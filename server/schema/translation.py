"""What the translations of other APIs' requests into chat requests share. Pure: objects in, objects and errors out.

`responses_schema` and `messages_schema` translate; a field that the other API has not goes on to the chat request as it is, so that
our extensions and vLLM's work there too.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pydantic import ConfigDict, Field

from ..errors import InvalidRequest
from .request_object import RequestPart

_JSON_SCHEMA_FIELDS = ("name", "description", "schema", "strict")


class TranslatedRequest(RequestPart):
    """Base of a request of another API. Fields that it does not declare are kept in `model_extra`."""

    model_config = ConfigDict(extra="allow")

    model: str = Field(min_length=1, max_length=256)

    def extensions(self, other_names: Mapping[str, str]) -> dict[str, Any]:
        """The fields that this API has not.

        Args:
            other_names: what must not be sent because it has another name here, with that name.

        Raises:
            InvalidRequest: one of those was sent.
        """
        extra = self.model_extra or {}
        for name, here in other_names.items():
            if extra.get(name) is not None:
                raise InvalidRequest(f"{name}: this API has {here} instead", param=name)
        return {name: value for name, value in extra.items() if name not in other_names}


@contextmanager
def fields_named(names: Mapping[str, str]) -> Iterator[None]:
    """Errors about a chat request become errors about the request it was made of.

    Args:
        names: fields of the chat request, and what they were made of.
    """
    try:
        yield
    except InvalidRequest as exc:
        param = exc.param or ""
        field = param.partition("[")[0].partition(".")[0]
        if field not in names:
            raise
        message = exc.message
        if message.startswith(param):
            # What stands where inside a chat request's field is not what stands there in this one.
            message = names[field] + message.removeprefix(param)
        raise InvalidRequest(message, param=names[field], code=exc.code) from exc


def chat_response_format(given: Mapping[str, Any]) -> dict[str, Any]:
    """Chat's `response_format` for one whose schema lies beside its type."""
    if given.get("type") != "json_schema":
        return dict(given)
    schema = {name: given[name] for name in _JSON_SCHEMA_FIELDS if name in given}
    return {"type": "json_schema", "json_schema": schema}


def chat_tool_call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    """One of an assistant's calls, as chat has it; `arguments` is JSON text."""
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def add_tool_calls(messages: list[dict[str, Any]], calls: list[dict[str, Any]]) -> None:
    """Add calls to the assistant's turn that `messages` end with, or as a turn of their own."""
    if not messages or messages[-1]["role"] != "assistant":
        messages.append({"role": "assistant", "content": ""})
    messages[-1].setdefault("tool_calls", []).extend(calls)
