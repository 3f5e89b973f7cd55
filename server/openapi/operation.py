"""One operation of the API: what is said of it, and the operation object that OpenAPI makes of this."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from ..errors import InternalError, RequestError, Unauthorized
from ..observing.request_id import REQUEST_ID_HEADER
from ..schema.request_object import RequestPart
from . import event_streams
from .component_schemas import reference
from .error_responses import (
    LIMIT_HEADERS,
    error_response,
    headers_named,
    shared_response,
    status_of,
)
from .schema_words import Schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What is said of one path and method.

    `answer` is the body of the response with status 200; with a media type of its own, `media_type`. `errors` are what
    it can fail with beside InternalError, and Unauthorized where keys are asked for. `examples` are bodies that work, with the
    served model's name put in.
    """

    method: str
    path: str
    tag: str
    summary: str
    description: str
    body: type[RequestPart] | None = None
    examples: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    answer: type[BaseModel] | Schema | None = None
    media_type: str = "application/json"
    stream: Schema | None = None
    errors: tuple[type[RequestError], ...] = ()
    path_parameters: Mapping[str, str] = field(default_factory=dict)
    answers: bool = True
    anthropic: bool = False
    open_to_all: bool = False

    def as_object(self, model: str, *, has_keys: bool) -> Schema:
        """The operation object; examples ask for `model`."""
        needs_key = has_keys and not self.open_to_all
        made: Schema = {
            "tags": [self.tag],
            "operationId": self.operation_id,
            "summary": self.summary,
            "description": self.description,
            "parameters": self._parameters(model),
        }
        if self.body is not None:
            made["requestBody"] = self._request_body(self.body, model)
        made["responses"] = self._responses(needs_key=needs_key)
        if needs_key:
            made["security"] = [{"bearer": []}, *([{"apiKey": []}] if self.anthropic else [])]
        return made

    @property
    def operation_id(self) -> str:
        """A name for code that is made from the document."""
        path = self.path.replace("{", "").replace("}", "").replace(".", "_").strip("/")
        return f"{self.method}_{path.replace('/', '_')}"

    def example_bodies(self, model: str) -> dict[str, dict[str, Any]]:
        """The examples by name, each asking for `model`."""
        names_model = self.body is not None and "model" in self.body.model_fields
        head = {"model": model} if names_model else {}
        return {name: {**head, **body} for name, body in self.examples.items()}

    def _parameters(self, model: str) -> list[Schema]:
        inside = [
            {
                "name": name,
                "in": "path",
                "required": True,
                "description": description,
                "schema": {"type": "string", "minLength": 1},
                **({"example": model} if name == "model_id" else {}),
            }
            for name, description in self.path_parameters.items()
        ]
        return [*inside, {"$ref": f"#/components/parameters/{REQUEST_ID_HEADER}"}]

    def _request_body(self, body: type[RequestPart], model: str) -> Schema:
        examples = {
            name: {"summary": name, "value": value}
            for name, value in self.example_bodies(model).items()
        }
        content = {"schema": reference(body), "examples": examples}
        return {"required": True, "content": {"application/json": content}}

    def _responses(self, *, needs_key: bool) -> dict[str, Schema]:
        made: dict[str, Schema] = {}
        if self.answers:
            made["200"] = self._success()
        errors = [*self.errors, InternalError]
        if needs_key:
            errors.append(Unauthorized)
        for kind in sorted(errors, key=status_of):
            made[str(status_of(kind))] = error_response(kind, anthropic=self.anthropic)
        if needs_key and self.method == "post":
            for response in made.values():
                response["headers"] |= headers_named(LIMIT_HEADERS)
        return made

    def _success(self) -> Schema:
        content: dict[str, Schema] = {}
        if self.answer is not None:
            answer = self.answer
            schema = answer if isinstance(answer, dict) else reference(answer)
            content[self.media_type] = {"schema": schema}
        if self.stream is not None:
            content[event_streams.MEDIA_TYPE] = {"schema": self.stream}
        made = shared_response("It worked.", anthropic=self.anthropic)
        return {**made, "content": content} if content else made
