"""Instructor: structured output by tools, by schema and by JSON mode, whole and in parts."""

from typing import Any

import instructor
from openai import OpenAI

from .calls import API_KEY, BASE_URL, MESSAGES, MODEL, City, make

ASKED: dict[str, Any] = {"model": MODEL, "messages": MESSAGES, "response_model": City}
ASKED |= {"temperature": 0, "max_tokens": 200}


def client(mode: instructor.Mode) -> instructor.Instructor:
    return instructor.from_openai(OpenAI(base_url=BASE_URL, api_key=API_KEY), mode=mode)


def by_tools() -> None:
    assert isinstance(client(instructor.Mode.TOOLS).create(max_retries=0, **ASKED), City)


def by_json_schema() -> None:
    assert isinstance(client(instructor.Mode.JSON_SCHEMA).create(max_retries=0, **ASKED), City)


def by_from_provider() -> None:
    made = instructor.from_provider(f"openai/{MODEL}", base_url=BASE_URL, api_key=API_KEY)
    asked = {name: value for name, value in ASKED.items() if name != "model"}
    assert isinstance(made.create(max_retries=0, **asked), City)


def partial() -> None:
    for mode in (instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA):
        [*_, last] = client(mode).create_partial(**ASKED)
        City.model_validate(last.model_dump())


if __name__ == "__main__":
    make("instructor", [by_tools, by_json_schema, by_from_provider, partial])
