"""What the scripts share: what they ask for, where they ask it, and how they tell what went well.

`python -m tests.clients.with_X URL`, URL being the server's without /v1, MODEL on it behind API_KEY.
"""

import json
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

MODEL = "smollm2"
API_KEY = "sk-test"
URL = sys.argv[1] if len(sys.argv) > 1 else ""
BASE_URL = f"{URL}/v1"
QUESTION = "What is the capital of France?"
MESSAGES: list[Any] = [{"role": "user", "content": QUESTION}]
MAX_TOKENS = 64


class City(BaseModel):
    """What structured answers are to be."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(pattern="^[A-Z][a-z]{1,10}$")
    country: Literal["France", "Italy"]


def weather(city: Literal["Paris", "Lyon"]) -> str:
    """The weather in a city."""
    return f"It is sunny in {city}."


WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "enum": ["Paris", "Lyon"]}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}


def refused(call: Callable[[], object], error: type[Exception]) -> None:
    """Make a call that has to fail with that error, or with a kind of it."""
    try:
        call()
    except error:
        return
    raise AssertionError(f"it was answered, and should have raised {error.__name__}")


def make(distribution: str, calls: Sequence[Callable[[], None]]) -> None:
    """Make each call and print a line of JSON for it; exit with 1 where one failed."""
    failed = False
    for call in calls:
        told = {"client": distribution, "version": version(distribution), "call": call.__name__}
        try:
            call()
        except Exception:  # noqa: BLE001  (whatever a client raises, the other calls are made)
            traceback.print_exc()
            failed = True
        else:
            print(json.dumps(told), flush=True)
    sys.exit(failed)
