"""One HTTP exchange of the table: what is asked and what came back. Knows neither server."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2 as httpx

UNTIL_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A response, read to its end, or left after its first event."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def body(self) -> Any:
        """The JSON body; None where it is none."""
        try:
            return json.loads(self.text)
        except json.JSONDecodeError:
            return None

    @property
    def events(self) -> list[Any]:
        """The data of the stream's events, without OpenAI's `[DONE]`."""
        return [json.loads(data) for data in self._data if data != "[DONE]"]

    @property
    def is_done(self) -> bool:
        """Whether the stream ends as OpenAI's do."""
        return self._data[-1:] == ["[DONE]"]

    @property
    def error(self) -> str:
        """What an error says, in whichever shape: its message and the field that it names."""
        error = self.body.get("error") if isinstance(self.body, dict) else None
        if not isinstance(error, dict):
            return self.text
        return f"{error.get('message')} {error.get('param')}"

    @property
    def _data(self) -> list[str]:
        lines = self.text.splitlines()
        return [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request. `body` is an object, or text that is sent as it is."""

    path: str
    method: str = "POST"
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    # Close the connection once a first event is there.
    leaves: bool = False
    # Ask again until this holds, or a minute is over.
    until: Callable[[Reply], bool] | None = None


# What to ask next, from what was answered so far.
NextCall = Callable[[Sequence[Reply]], Call]


def ask(client: httpx.Client, calls: Sequence[Call | NextCall]) -> list[Reply]:
    """The replies to `calls`, one after the other."""
    replies: list[Reply] = []
    for call in calls:
        replies.append(_ask(client, call if isinstance(call, Call) else call(replies)))
    return replies


def _ask(client: httpx.Client, call: Call) -> Reply:
    reply = _send(client, call)
    give_up = time.monotonic() + UNTIL_TIMEOUT_S
    while call.until is not None and not call.until(reply) and time.monotonic() < give_up:
        time.sleep(0.05)
        reply = _send(client, call)
    return reply


def _send(client: httpx.Client, call: Call) -> Reply:
    content, headers = None, dict(call.headers)
    if call.body is not None:
        content = call.body if isinstance(call.body, str) else json.dumps(call.body)
        headers = {"Content-Type": "application/json", **headers}
    with client.stream(call.method, call.path, content=content, headers=headers) as response:
        text = next(response.iter_text()) if call.leaves else response.read().decode()
        return Reply(status=response.status_code, headers=response.headers, text=text)
