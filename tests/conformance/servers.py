"""Both servers, started with the same model, adapter, template and engine flags, and asked one after the other."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2 as httpx

from server.demo import DEMO_ADAPTER, demo_base_model, demo_template
from server.loading.adapter_cache import store_adapter
from server.settings import default_cache_dir
from tests.bench.runaway import VLLM_COMMAND
from tests.engine.smollm2 import NAME, SERVE_FLAGS, smollm2_model

from .error_features import KEY
from .exchange import ask
from .feature import Feature, Needs

START_TIMEOUT_S = 300
REQUEST_TIMEOUT_S = 120
BOTH = ["--max-model-len", "2048", "--enforce-eager", "--api-key", KEY]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """A model on both servers: the flags of each beside those of both, and the features that are asked of it."""

    model: str
    endturn: Sequence[str]
    vllm: Sequence[str]
    answers: frozenset[Needs]


def setups(work: Path) -> list[Setup]:
    """The demo with its adapter, and SmolLM2-Instruct with tools."""
    cache = default_cache_dir()
    adapter = store_adapter(DEMO_ADAPTER, cache)
    template = work / "demo.jinja"
    template.write_text(demo_template())
    lora = ["--enable-lora", "--max-lora-rank", "16", "--max-loras", "2"]
    lora += ["--lora-modules", f"pydoc={adapter.path}"]
    served = [str(demo_base_model(cache)), "--served-model-name", "demo"]
    return [
        Setup(
            model="demo",
            endturn=["--model", "demo"],
            vllm=[*served, "--chat-template", str(template), *lora],
            answers=frozenset({"demo", "scripted"}),
        ),
        Setup(
            model=NAME,
            endturn=["--model", str(smollm2_model()), *SERVE_FLAGS],
            vllm=[str(smollm2_model()), *SERVE_FLAGS, "--enable-auto-tool-choice"],
            answers=frozenset({"smollm2"}),
        ),
    ]


def endturn_command(setup: Setup, port: int) -> list[str]:
    """`endturn serve` with that setup."""
    return [sys.executable, "-m", "server", "serve", "--port", str(port), *setup.endturn, *BOTH]


def vllm_command(setup: Setup, port: int, script: Path) -> list[str]:
    """`vllm serve` with that setup."""
    script.write_text(VLLM_COMMAND)
    memory = ["--kv-cache-memory-bytes", str(2 << 30)]
    serve = [sys.executable, str(script), "serve", *setup.vllm, "--port", str(port)]
    return [*serve, *BOTH, *memory]


@contextmanager
def running(command: Sequence[str], port: int) -> Iterator[httpx.Client]:
    """A client of the server that `command` starts; the server is ended afterwards."""
    environment = {**os.environ, "VLLM_TARGET_DEVICE": "cpu", "HF_HUB_OFFLINE": "1"}
    with tempfile.TemporaryFile() as log, client_of(f"http://127.0.0.1:{port}") as client:
        server = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            _wait_until_up(client, server)
            yield client
        except RuntimeError:
            log.seek(0)
            sys.stderr.write(log.read().decode(errors="replace")[-4000:])
            raise
        finally:
            server.terminate()
            server.wait(60)


def client_of(url: str) -> httpx.Client:
    """A client with the key of the table's servers."""
    headers = {"Authorization": f"Bearer {KEY}"}
    return httpx.Client(base_url=url, headers=headers, timeout=REQUEST_TIMEOUT_S)


def _wait_until_up(client: httpx.Client, server: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < until:
        try:
            if client.get("/health").status_code == 200:
                return
        except httpx.TransportError:
            pass
        if server.poll() is not None:
            raise RuntimeError("the server ended before it was ready")
        time.sleep(0.5)
    raise RuntimeError(f"the server was not ready in {START_TIMEOUT_S} s")


def verdicts(client: httpx.Client, features: Sequence[Feature]) -> Mapping[str, str]:
    """What one server does with each feature, by its key."""
    return {feature.key: verdict_of(client, feature) for feature in features}


def verdict_of(client: httpx.Client, feature: Feature) -> str:
    """What one server does with one feature."""
    try:
        return feature.verdict(ask(client, feature.calls))
    except httpx.TransportError:
        return "fails: the connection breaks"
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return "differs: not of that shape"
