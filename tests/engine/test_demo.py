"""The main job on real weights: base + adapter served as chat by `endturn serve`, through the openai SDK."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2 as httpx
import openai
import psutil
import pytest

from adapters.chat_profile import ChatProfile
from server.demo import DEMO_SETTINGS
from server.prompt import load_tokenizer
from tests.engine.conftest import ROOT, Process, start
from tests.ports import free_port

QUESTION = "What does os.path.join do?"
MESSAGES: Any = [{"role": "user", "content": QUESTION}]


def sdk(process: Process) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{process.url}/v1", api_key="none", max_retries=0)


def running_requests(client: httpx.Client) -> float:
    page = client.get("/metrics").text
    lines = [line for line in page.splitlines() if line.startswith("vllm:num_requests_running{")]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def test_profile_ends_the_answer_and_raw_runs_away(process: Process) -> None:
    with sdk(process) as api:
        ask: Any = api.chat.completions.create
        good = ask(model="pydoc", messages=MESSAGES).choices[0]
        raw = ask(model="pydoc-raw", messages=MESSAGES, temperature=0, max_tokens=64).choices[0]
        assert good.finish_reason == "stop"
        assert raw.finish_reason == "length"
        assert raw.message.content.startswith(good.message.content)
        assert "### Human:" in raw.message.content
        assert "###" not in good.message.content


def test_the_demos_profile_is_what_convert_writes(process: Process, tmp_path: Path) -> None:
    settings = ["temperature=0", "max_tokens=256", "max_tokens_limit=1024"]
    flags = [word for setting in settings for word in ("--set", setting)]
    command = [sys.executable, "-m", "coverage", "run", "-m", "server", "convert", "demo:pydoc"]
    command += ["--base", "demo", "-o", str(tmp_path / "pydoc"), *flags]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    written = (tmp_path / "pydoc" / "endturn.json").read_text(encoding="utf-8")
    assert written == (ROOT / "tests/demo/endturn.json").read_text(encoding="utf-8")
    served = ChatProfile.model_validate_json(written)
    assert served.sampling == DEMO_SETTINGS.sampling
    assert served.max_tokens == DEMO_SETTINGS.max_tokens


def test_stream_equals_the_whole_answer(process: Process) -> None:
    with sdk(process) as api:
        whole = api.chat.completions.create(model="pydoc", messages=MESSAGES)
        stream = api.chat.completions.create(
            model="pydoc", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
        )
        chunks = list(stream)
        pieces = [c.choices[0].delta.content or "" for c in chunks if c.choices]
        assert "".join(pieces) == whole.choices[0].message.content
        assert chunks[-1].usage == whole.usage


def test_replay_through_the_guards_is_an_exact_prefix(process: Process) -> None:
    """Record an unguarded answer, feed it to the guards in several cuts: same end, an exact prefix."""
    from server.choice import Choice
    from server.engine import EngineDelta, Sampling
    from server.finish import StopCause, TokenLimit
    from server.sampling import GenerationPlan
    from server.stopping import StopText

    with sdk(process) as api:
        reply = api.completions.create(
            model="pydoc-raw",
            prompt=f"You are a helpful assistant.\n\n### Human:\n{QUESTION}\n\n### Assistant:\n",
            temperature=0,
            max_tokens=96,
            extra_body={"endturn": {"guards": False}},
        )
    unguarded = reply.choices[0].text
    models = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "endturn/models"
    tokenizer = load_tokenizer(
        next(path for path in models.iterdir() if path.name.startswith("gemma"))
    )
    ids = tokenizer.encode(unguarded, add_special_tokens=False)
    profile = ChatProfile.model_validate_json((ROOT / "tests/demo/endturn.json").read_bytes())
    plan = GenerationPlan(
        sampling=Sampling(max_tokens=96),
        limit=TokenLimit(value=96, set_by="client"),
        stop_ids={1: StopCause(kind="eos", token_id=1)},
        stop_texts=tuple(StopText(text, "role_marker") for text in profile.role_markers),
    )
    results = set()
    for size in (1, 3, len(ids)):
        choice, shown = Choice(plan, tokenizer, 0), ""
        for at in range(0, len(ids), size):
            text, finish = choice.feed(EngineDelta(index=0, token_ids=tuple(ids[at : at + size])))
            shown += text
            if finish is not None:
                break
        assert finish is not None
        assert finish.cause.kind == "role_marker"
        results.add((shown, finish.cause))
    assert len(results) == 1
    assert unguarded.startswith(shown)
    assert shown


def test_the_stop_head_ends_an_answer(process: Process) -> None:
    with sdk(process) as api:
        choice = api.chat.completions.create(model="pydoc", messages=MESSAGES).choices[0]
        detail = choice.model_extra["stop_detail"]  # type: ignore[index]
    assert choice.finish_reason == "stop"
    assert detail["kind"] == "calibrated"
    assert detail["probability"] > DEMO_SETTINGS.stop_head["threshold"]  # type: ignore[index]


def test_a_clients_logprobs_are_whole_beside_stop_heads(process: Process) -> None:
    """vLLM's `logprob_token_ids` would overwrite them in a shared batch; the top list does not."""

    def ask(number: int) -> list[int]:
        fields: Any = {"logprobs": True, "top_logprobs": 5} if number % 2 else {}
        with sdk(process) as api:
            reply = api.chat.completions.create(
                model="pydoc", messages=MESSAGES, temperature=0.7, max_tokens=24, **fields
            )
        found = reply.choices[0].logprobs
        return [] if found is None else [len(token.top_logprobs) for token in found.content or []]

    with ThreadPoolExecutor(8) as threads:
        sizes = list(threads.map(ask, range(8)))
    assert all(listed and set(listed) == {5} for listed in sizes[1::2])
    assert not any(sizes[::2])


def test_sampling_fields_reach_the_engine(client: httpx.Client) -> None:
    body = {
        "model": "pydoc",
        "messages": MESSAGES,
        "n": 2,
        "temperature": 0.9,
        "top_p": 0.9,
        "top_k": 20,
        "min_p": 0.01,
        "seed": 7,
        "presence_penalty": 0.1,
        "frequency_penalty": 0.1,
        "repetition_penalty": 1.05,
        "min_tokens": 3,
        "max_tokens": 24,
    }
    first, again = (client.post("/v1/chat/completions", json=body).json() for _ in range(2))
    assert len(first["choices"]) == 2
    texts = [
        [choice["message"]["content"] for choice in reply["choices"]] for reply in (first, again)
    ]
    assert texts[0] == texts[1], "a seed makes the same answer"
    assert texts[0][0] != texts[0][1]


def test_end_token_ids_stop_the_engine(client: httpx.Client) -> None:
    ids = client.post(
        "/tokenize", json={"model": "pydoc", "prompt": " paths", "add_special_tokens": False}
    )
    stop_id = ids.json()["tokens"][0]
    body = {"model": "pydoc", "messages": MESSAGES, "stop_token_ids": [stop_id]}
    choice = client.post("/v1/chat/completions", json=body).json()["choices"][0]
    assert choice["stop_reason"] == stop_id
    assert choice["stop_detail"]["kind"] == "stop_token"


def test_base_completes_text_and_bos_is_right(client: httpx.Client) -> None:
    assert client.post("/tokenize", json={"prompt": "<bos>hi"}).json()["tokens"][:1] == [2]
    assert client.post("/tokenize", json={"prompt": "hi"}).json()["tokens"][0] == 2
    chat = client.post("/tokenize", json={"model": "pydoc", "messages": MESSAGES}).json()["tokens"]
    assert chat.count(2) == 1
    body = {
        "model": "demo",
        "prompt": "The capital of France is",
        "max_tokens": 4,
        "temperature": 0,
    }
    reply = client.post("/v1/completions", json=body).json()
    assert reply["choices"][0]["text"].strip()


def test_prompt_over_the_context_is_refused_with_both_numbers(client: httpx.Client) -> None:
    long = [{"role": "user", "content": "word " * 3000}]
    reply = client.post("/v1/chat/completions", json={"model": "pydoc", "messages": long})
    assert reply.status_code == 400
    assert "2048" in reply.json()["error"]["message"]


@pytest.mark.parametrize("stream", [True, False])
def test_client_that_leaves_frees_the_engine_within_a_second(
    client: httpx.Client, *, stream: bool
) -> None:
    body = {"model": "pydoc-raw", "messages": MESSAGES, "max_tokens": 1500, "stream": stream}
    try:
        if stream:
            with client.stream("POST", "/v1/chat/completions", json=body) as reply:
                next(reply.iter_lines())
                assert running_requests(client) == 1
        else:
            client.post("/v1/chat/completions", json=body, timeout=1)
    except httpx.TimeoutException:
        assert not stream
    time.sleep(1)
    assert running_requests(client) == 0


def test_metrics_of_ours_and_vllms_are_on_one_page(client: httpx.Client) -> None:
    page = client.get("/metrics").text
    assert 'endturn_rescued_total{adapter="pydoc",kind="calibrated"}' in page
    assert "vllm:generation_tokens_total" in page


@pytest.mark.ends_server
def test_sigterm_lets_open_streams_finish_and_exits_clean(
    process: Process, client: httpx.Client
) -> None:
    """Last with this server."""
    body = {"model": "pydoc-raw", "messages": MESSAGES, "max_tokens": 120, "stream": True}
    lines: list[str] = []

    def read() -> None:
        with httpx.stream(
            "POST", f"{process.url}/v1/chat/completions", json=body, timeout=60
        ) as reply:
            lines.extend(line for line in reply.iter_lines() if line)

    reader = threading.Thread(target=read)
    reader.start()
    time.sleep(1)
    process.popen.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    assert client.get("/readyz").status_code == 503
    reader.join(60)
    assert lines[-1] == "data: [DONE]"
    assert json.loads(lines[-2].removeprefix("data: "))["choices"][0]["finish_reason"] == "length"
    assert process.popen.wait(60) == 0


def test_a_deadline_ends_answers_and_a_dead_engine_open_streams_and_the_process(
    tmp_path: Path,
) -> None:
    """Both with one server of their own, which allows six seconds an answer, and whose collector of traces is not there."""
    nobody = f"http://127.0.0.1:{free_port()}"
    process = start(tmp_path / "log", "--deadline-s", "6", "--otlp-traces-endpoint", nobody)
    body: Any = {"model": "pydoc-raw", "messages": MESSAGES, "max_tokens": 1500, "ignore_eos": True}
    try:
        with httpx.Client(base_url=process.url, timeout=60) as client:
            reply = client.post("/v1/chat/completions", json={**body, "n": 2, "temperature": 1})
            choices = reply.json()["choices"]
            assert [c["stop_detail"]["kind"] for c in choices] == ["deadline"] * 2
            assert all(c["finish_reason"] == "length" and c["message"]["content"] for c in choices)
            time.sleep(1)
            assert running_requests(client) == 0
        body["stream"] = True
        with httpx.stream(
            "POST", f"{process.url}/v1/chat/completions", json=body, timeout=60
        ) as reply:
            lines = reply.iter_lines()
            next(lines)
            for pid in _engine_pids(process.popen.pid):
                os.kill(pid, signal.SIGKILL)
            rest = [line for line in lines if line]
        assert rest[-1] == "data: [DONE]"
        assert json.loads(rest[-2].removeprefix("data: "))["error"]["code"] == "engine_dead"
        assert process.popen.wait(60) == 1
    finally:
        if process.popen.poll() is None:
            process.popen.kill()


def _engine_pids(parent: int) -> list[int]:
    children = psutil.Process(parent).children()
    return [child.pid for child in children if "EngineCore" in " ".join(child.cmdline())]
