"""`vllm serve` as an operator starts it: what every raw adapter of the table does without this product."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx

from tests.bench.runaway import VLLM_COMMAND
from tests.ports import free_port

from .case import Case, base_words
from .words import CONTEXT

START_TIMEOUT_S = 240
FLAGS = {
    "--max-lora-rank": "64",
    "--max-loras": "8",
    "--max-cpu-loras": "64",
    "--kv-cache-memory-bytes": str(1 << 29),
    "--max-model-len": str(CONTEXT),
    "--dtype": "float32",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a raw adapter: why it was refused, or the ids it said and the reason it ended."""

    refused: str = ""
    token_ids: tuple[int, ...] = ()
    finish_reason: str = ""
    chat_status: int = 0


def run_plain_vllm(cases: tuple[Case, ...], base: Path, raw: Path, log: Path) -> dict[str, Outcome]:
    """Load and ask every adapter in one server; each request brings the prompt of the training as its template.

    The operator even names two turn ends by --override-generation-config, which vLLM drops without a word (cause A5).
    """
    ends = [base_words().id(token) for token in ("<|im_end|>", "<end_of_turn>")]
    flags = {**FLAGS, "--override-generation-config": json.dumps({"eos_token_id": ends})}
    with _serving(base, log, flags) as client:
        return {case.name: _ask(client, case, raw / case.name) for case in cases}


def _ask(client: httpx.Client, case: Case, adapter: Path) -> Outcome:
    lora = {"lora_name": case.name, "lora_path": str(adapter)}
    loaded = client.post("/v1/load_lora_adapter", json=lora)
    if loaded.status_code != 200:
        return Outcome(refused=loaded.text)
    body: dict[str, Any] = {"model": case.name, "messages": case.messages, "temperature": 0}
    # Without max_tokens: the base's generation_config.json limits the answer (cause E5).
    as_trained = {
        "chat_template": "{{ " + json.dumps(case.prompt) + " }}",
        "return_token_ids": True,
    }
    answer = client.post("/v1/chat/completions", json={**body, **as_trained, **case.request})
    choice = answer.raise_for_status().json()["choices"][0]
    return Outcome(
        token_ids=tuple(choice["token_ids"]),
        finish_reason=choice["finish_reason"],
        chat_status=client.post("/v1/chat/completions", json=body).status_code,
    )


@contextmanager
def _serving(base: Path, log: Path, flags: Mapping[str, str]) -> Iterator[httpx.Client]:
    port, script = free_port(), log.with_name("vllm_serve.py")
    script.write_text(VLLM_COMMAND)
    words = [word for flag in flags.items() for word in flag]
    command = [sys.executable, str(script), "serve", str(base), "--port", str(port)]
    command += ["--enforce-eager", "--enable-lora", "--trust-request-chat-template", *words]
    environment = {
        **os.environ,
        "VLLM_TARGET_DEVICE": "cpu",
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1",
        "HF_HUB_OFFLINE": "1",
    }
    with log.open("wb") as out:
        server = subprocess.Popen(command, stdout=out, stderr=out, env=environment)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
            _wait_until_up(client, server, log)
            yield client
    finally:
        server.terminate()
        try:
            server.wait(60)
        except subprocess.TimeoutExpired:
            server.kill()


def _wait_until_up(client: httpx.Client, server: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < until and server.poll() is None:
        try:
            if client.get("/health").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.5)
    raise RuntimeError(f"vllm serve did not start:\n{log.read_text()[-3000:]}")
