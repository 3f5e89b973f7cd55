"""Requests that schemathesis makes of the OpenAPI document, sent to a real uvicorn over an engine that answers everything.

A request that is valid by the document must be answered, or refused for one of the reasons in `fuzz_tally`, which JSON Schema
cannot say. One that is not must be refused. Nothing may fail, hang, or answer other than described.
`python -m tests.server.fuzzing 5000` sends that many, and prints what came of them.
"""

import asyncio
import copy
import random
import sys
from collections.abc import Iterator
from itertools import count, islice
from typing import Any
from urllib.parse import unquote, urlsplit

import hypothesis
import orjson
import requests
import schemathesis
from hypothesis import HealthCheck, Phase
from hypothesis.errors import Unsatisfiable
from hypothesis.strategies import SearchStrategy
from schemathesis import Case, GenerationMode, Response
from schemathesis.checks import not_a_server_error
from schemathesis.config import GenerationConfig
from schemathesis.core.failures import FailureGroup
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from server.prompt import PromptRenderer
from tests.fakes import served
from tests.server.fuzz_tally import Tally, reason_for, table
from tests.server.markup_parsers import MarkupParsers
from tests.server.openapi_reading import Document
from tests.server.running import running
from tests.server.talking_engine import TalkingEngine

MODEL = "chat"
# Shows whatever it is given, and refuses nothing.
TEMPLATE = (
    "{% for tool in tools or [] %}{{ tool.function.name }}\n{% endfor %}{% for m in messages %}{{ m.role }}: "
    "{{ m.content or '' }}{% for c in m.tool_calls or [] %}{{ c.function.name }}{{ c.function.arguments }}{% endfor %}\n"
    "{% endfor %}assistant: "
)
TIMEOUT_S = 20.0
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
# How a wrong body is refused.
REFUSED = (400, 413, 415)
# The generator cannot do with all the rules of this kind together; what it makes is held against all of them.
TOO_RULED = "ChatCompletionRequest"


async def fuzz(
    renderer: PromptRenderer, number: int, *, seed: int, **settings: Any
) -> dict[str, Tally]:
    """Send `number` requests to a server with these settings, and say what came of them, by endpoint."""
    await renderer.wait_until_warm()
    model = served(MODEL, template=TEMPLATE, parsers=MarkupParsers())
    settings = {"allow_adapter_updates": True, **settings}
    async with running(renderer, model, engine=TalkingEngine(), **settings) as run:
        document = (await run.client.get("/openapi.json")).json()
        fuzzer = Fuzzer(str(run.client.base_url), document, seed=seed)
        await asyncio.to_thread(fuzzer.run, number)
    return fuzzer.tallies


class Fuzzer:
    """Sends requests to the server at `url`, whose document this is."""

    def __init__(self, url: str, document: dict[str, Any], *, seed: int) -> None:
        self._url = url
        self._seed = seed
        self._random = random.Random(seed)  # noqa: S311  (repeatable)
        self._document = Document(document)
        self._session = requests.Session()
        self.tallies: dict[str, Tally] = {}
        config = schemathesis.Config.from_dict({"max-stream-events": 1 << 20})
        schema = schemathesis.openapi.from_dict(_with_fewer_rules(document), config=config)
        self._operations = [
            result.ok()  # type: ignore[union-attr]  # this document has no broken operation
            for result in schema.get_all_operations()
        ]

    def run(self, number: int) -> None:
        """Send so many requests or a few more, most of them with bodies; about half of them are meant to be wrong."""
        weights = [10 if "requestBody" in op.definition.raw else 1 for op in self._operations]
        for operation, weight in zip(self._operations, weights, strict=True):
            tally = self.tallies.setdefault(operation.label, Tally())
            share = -(-number * weight // sum(weights))
            for case in islice(self._cases(operation, share), share):
                self._send(case, tally)

    def _cases(
        self, operation: APIOperation[Any, Any, Any, Any], number: int
    ) -> Iterator[Case[Any]]:
        """As many or more: a request at the bounds of what is valid, a right one and a wrong one in turn."""
        modes = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
        bounds = operation.schema.iter_coverage_cases(
            operation, generation_modes=modes, generation_config=GenerationConfig()
        )
        turns = [bounds, *(self._drawn(operation, mode, number // 3 + 1) for mode in modes)]
        while turns:
            for turn in list(turns):
                case = next(turn, None)
                if case is None:
                    turns.remove(turn)
                else:
                    yield case

    def _drawn(
        self, operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode, batch: int
    ) -> Iterator[Case[Any]]:
        strategy = operation.as_strategy(generation_mode=mode)
        for turn in count(self._seed):
            try:
                yield from _drawn_cases(strategy, batch, turn)
            except Unsatisfiable:  # there is nothing about it that could be wrong
                return

    def _send(self, case: Case[Any], tally: Tally) -> None:
        tally.sent += 1
        case.body = self._usable(case.body)
        try:
            response = case.call(base_url=self._url, session=self._session, timeout=TIMEOUT_S)
        except requests.Timeout:
            tally.problems.append(f"no answer in {TIMEOUT_S} s: {_shown(case)}")
            return
        tally.statuses[response.status_code] += 1
        problems = list(self._problems(case, response, tally))
        try:
            case.validate_response(response, checks=CHECKS)
        except FailureGroup as exc:
            problems += [str(failure) for failure in exc.exceptions]
        tally.problems += [f"{problem}: {_shown(case)}" for problem in problems]

    def _usable(self, body: Any) -> Any:
        """The body: nine times in ten for a model there is, often streamed, its whole numbers written as such."""
        if isinstance(body, dict):
            body = dict(body)
            if isinstance(body.get("model"), str) and self._random.random() < 0.9:
                body["model"] = MODEL
            if "stream" not in body and self._random.random() < 0.3:
                body["stream"] = True
        return _whole_numbers(body)

    def _problems(self, case: Case[Any], response: Response, tally: Tally) -> Iterator[str]:
        sent = response.request
        path = unquote(urlsplit(str(sent.url)).path)
        headers = {name.lower(): value[0] for name, value in response.headers.items()}
        yield from self._document.response_problems(
            str(sent.method), path, response.status_code, headers, response.content
        )
        tally.streams += headers.get("content-type", "").startswith("text/event-stream")
        operation = self._document.operation(str(sent.method), path)
        if operation is None or response.status_code in (405, 500):
            return
        why = self._why_wrong(operation, sent)
        if why:
            if response.status_code not in REFUSED:
                yield f"answered with {response.status_code}, though {why:.300}"
            return
        tally.valid += 1
        if response.status_code >= 400:
            yield from self._unless_for_a_reason(response, tally)

    def _why_wrong(self, operation: dict[str, Any], sent: requests.PreparedRequest) -> str:
        if "requestBody" not in operation:
            return ""
        if str(sent.headers.get("Content-Type", "")).partition(";")[0] != "application/json":
            return "it is not JSON by its header"
        try:
            body = orjson.loads(sent.body if isinstance(sent.body, bytes | str) else b"")
        except orjson.JSONDecodeError:
            return "it is not JSON"
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        return "; ".join(self._document.schema_problems(schema, body))

    def _unless_for_a_reason(self, response: Response, tally: Tally) -> Iterator[str]:
        message = response.json()["error"]["message"]
        reason = reason_for(response.status_code, message)
        if reason is not None:
            tally.reasons[reason] += 1
            return
        yield f"valid, and refused with {response.status_code} {message!r:.300}"


_DRAWING = hypothesis.settings(
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def _drawn_cases(strategy: SearchStrategy[Case[Any]], number: int, seed: int) -> list[Case[Any]]:
    cases: list[Case[Any]] = []

    def take(case: Case[Any]) -> None:
        cases.append(case)

    drawing = hypothesis.settings(_DRAWING, max_examples=number)
    hypothesis.seed(seed)(drawing(hypothesis.given(case=strategy)(take)))()
    return cases


def _with_fewer_rules(document: dict[str, Any]) -> dict[str, Any]:
    fewer = copy.deepcopy(document)
    del fewer["components"]["schemas"][TOO_RULED]["allOf"]
    return fewer


def _whole_numbers(value: Any) -> Any:
    """The same with 2.0 written as 2: the document says that integers are written so."""
    if isinstance(value, dict):
        return {name: _whole_numbers(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_whole_numbers(part) for part in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _shown(case: Case[Any]) -> str:
    return f"{case.method} {case.formatted_path} {case.body!r:.1500}"


def main(number: int, seed: int) -> int:
    """Send them, a fifth of them to a server that refuses unknown fields; print tables, and fail where there is a problem."""
    num_problems = 0
    renderer = PromptRenderer(timeout_s=2.0, num_workers=1)
    try:
        for strict, share in ((False, number * 4 // 5), (True, number // 5)):
            tallies = asyncio.run(fuzz(renderer, share, seed=seed, refuse_unknown_fields=strict))
            sys.stdout.write(f"refuse_unknown_fields={strict}\n{table(tallies)}\n")
            problems = [problem for tally in tallies.values() for problem in tally.problems]
            sys.stderr.writelines(f"{problem}\n" for problem in problems[:50])
            num_problems += len(problems)
    finally:
        renderer.close()
    sys.stdout.write(f"{num_problems} problems\n")
    return 1 if num_problems else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0))
