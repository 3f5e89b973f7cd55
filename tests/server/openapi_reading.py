"""Reads an OpenAPI document of ours as a client would: is this request what it says, and this response?"""

import json
import re
from functools import lru_cache
from typing import Any

import jsonschema_rs

Schema = dict[str, Any]
EVENT_STREAM = "text/event-stream"


class Document:
    """The operations of a document, and what they say of requests and responses."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self._paths = {path: _pattern(path) for path in document["paths"]}

    def operation(self, method: str, path: str) -> dict[str, Any] | None:
        """What is said of a request; None where nothing is."""
        found = [name for name, pattern in self._paths.items() if pattern.fullmatch(path)]
        # A path without parameters comes before one with.
        for name in sorted(found, key=lambda name: "{" in name):
            if method.lower() in self.document["paths"][name]:
                operation: dict[str, Any] = self.document["paths"][name][method.lower()]
                return operation
        return None

    def request_problems(self, method: str, path: str, body: Any) -> list[str]:
        """Why a JSON body is not what the document asks for."""
        operation = self.operation(method, path)
        if operation is None or "requestBody" not in operation:
            return []
        [(_, content)] = operation["requestBody"]["content"].items()
        return self.schema_problems(content["schema"], body)

    def response_problems(
        self, method: str, path: str, status: int, headers: dict[str, str], body: bytes
    ) -> list[str]:
        """Why a response is not what the document says; header names are in lower case."""
        operation = self.operation(method, path)
        if operation is None:
            return self._stray_problems(path, status, headers, body)
        described = operation["responses"].get(str(status))
        if described is None:
            return [f"status {status} is not described"]
        problems = self._header_problems(described.get("headers", {}), headers)
        contents = described.get("content")
        if contents is None:
            return [*problems, *(["a body is not described"] if body else [])]
        media_type = headers.get("content-type", "").partition(";")[0]
        if media_type not in contents:
            return [*problems, f"content type {media_type!r} is not described"]
        return [*problems, *self._body_problems(contents[media_type]["schema"], media_type, body)]

    def schema_problems(self, schema: Schema, value: Any) -> list[str]:
        """Why a value does not fit a schema of the document."""
        validator = _validator(json.dumps(schema), _Components(self.document["components"]))
        return [f"{list(e.instance_path)}: {e.message:.300}" for e in validator.iter_errors(value)]

    def _stray_problems(
        self, path: str, status: int, headers: dict[str, str], body: bytes
    ) -> list[str]:
        """A path or method that the document has not is refused, and nothing else."""
        if path in ("/docs", "/redoc") or path.startswith(("/docs/", "/redoc/")):
            return []
        if status not in (307, 401, 404, 405, 503):
            return [f"status {status} for what the document has not"]
        if status == 307:
            return []
        shape = "MessagesErrorBody" if path.startswith("/v1/messages") else "ErrorBody"
        problems = self._header_problems(_REQUEST_ID, headers)
        schema = {"$ref": f"#/components/schemas/{shape}"}
        return [*problems, *self.schema_problems(schema, json.loads(body))]

    def _header_problems(self, described: Schema, headers: dict[str, str]) -> list[str]:
        problems = []
        for name in described:
            header = self.document["components"]["headers"][name]
            value = headers.get(name.lower())
            if value is None:
                problems += [f"header {name} is missing"] if header.get("required") else []
                continue
            is_number = header["schema"]["type"] == "integer" and value.isdigit()
            found = self.schema_problems(header["schema"], int(value) if is_number else value)
            problems += [f"header {name}: {problem}" for problem in found]
        return problems

    def _body_problems(self, schema: Schema, media_type: str, body: bytes) -> list[str]:
        if media_type == EVENT_STREAM:
            return self._stream_problems(schema, body)
        is_json = media_type == "application/json"
        return self.schema_problems(schema, json.loads(body) if is_json else body.decode())

    def _stream_problems(self, schema: Schema, body: bytes) -> list[str]:
        events = stream_events(body.decode())
        inside = _decoded(schema)
        problems = [
            f"event {number}: {problem}"
            for number, event in enumerate(events)
            for problem in self.schema_problems(inside, event)
        ]
        problems += [
            f"event {event['event']!r} has a {event['data']['type']!r}"
            for event in events
            if "event" in event and event["event"] != event["data"].get("type")
        ]
        ends = [number for number, event in enumerate(events, 1) if event["data"] == "[DONE]"]
        if "event" not in events[0] and ends != [len(events)]:
            problems.append(
                f"data: [DONE] does not end the stream of {len(events)}: {body[-300:]!r}"
            )
        return problems


_REQUEST_ID: dict[str, Any] = {"X-Request-Id": {}}


def stream_events(text: str) -> list[dict[str, Any]]:
    """The events of a stream: `data` as JSON where it is JSON, and `event` where there is a name."""
    assert text.endswith("\n\n"), "the last event has no end"
    events = []
    for block in text[:-2].split("\n\n"):
        fields = [line.partition(": ") for line in block.split("\n")]
        event: dict[str, Any] = {name: value for name, _, value in fields}
        assert len(event) == len(fields), f"a field comes twice: {block:.200}"
        if event["data"] != "[DONE]":
            event["data"] = json.loads(event["data"])
        events.append(event)
    return events


def _pattern(path: str) -> re.Pattern[str]:
    # Names of models may have slashes.
    inside = re.sub(
        r"\\{(\w+)\\}", lambda m: ".+" if m[1] == "model_id" else "[^/]+", re.escape(path)
    )
    return re.compile(inside)


def _decoded(schema: Any) -> Any:
    """The schema of what is in texts, where it says so."""
    if isinstance(schema, list):
        return [_decoded(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("contentMediaType") == "application/json":
        return schema["contentSchema"]
    return {key: _decoded(value) for key, value in schema.items()}


class _Components:
    """The components of a document, as a key: the same object is the same key."""

    def __init__(self, components: Schema) -> None:
        self.components = components

    def __hash__(self) -> int:
        return id(self.components)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Components) and other.components is self.components


@lru_cache(maxsize=1024)
def _validator(schema: str, components: _Components) -> jsonschema_rs.Draft202012Validator:
    whole = {**json.loads(schema), "components": components.components}
    return jsonschema_rs.Draft202012Validator(whole)
