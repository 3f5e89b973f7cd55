"""Adapters come and go on the real engine: dropped in, replaced under a stream, more than slots, broken, and gone again."""

import json
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2 as httpx
import numpy as np
import pytest

from server.settings import default_cache_dir
from tests.engine.adapter_variants import broken, variant
from tests.engine.conftest import NUM_SLOTS, Process

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

QUESTION = [{"role": "user", "content": "What does os.path.join do?"}]
NUM_ADAPTERS = NUM_SLOTS + 3
WAIT_S = 60


def load(client: httpx.Client, name: str, path: Path, **more: Any) -> httpx.Response:
    body = {"lora_name": name, "lora_path": str(path), **more}
    return client.post("/v1/load_lora_adapter", json=body)


def unload(client: httpx.Client, name: str) -> None:
    client.post("/v1/unload_lora_adapter", json={"lora_name": name}).raise_for_status()


def say(client: httpx.Client, model: str, max_tokens: int = 12) -> httpx.Response:
    body = {"model": model, "messages": QUESTION, "temperature": 0, "max_tokens": max_tokens}
    return client.post("/v1/chat/completions", json=body)


def text(reply: httpx.Response) -> str:
    assert reply.status_code == 200, reply.text
    return str(reply.json()["choices"][0]["message"]["content"])


def entry(client: httpx.Client, name: str) -> dict[str, Any] | None:
    listed = client.get("/v1/adapters").json()["data"]
    return next((adapter for adapter in listed if adapter["id"] == name), None)


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < until, "it did not come to pass"
        time.sleep(0.2)


def test_a_folder_is_served_for_as_long_as_it_is_there(
    process: Process, client: httpx.Client, tmp_path: Path
) -> None:
    assert say(client, "dropped").status_code == 404
    made = variant(tmp_path / "dropped", 1.0)
    shutil.move(made, process.adapters_dir / "dropped")
    wait_for(lambda: say(client, "dropped", 1).status_code == 200)
    assert text(say(client, "dropped", 6)) == text(say(client, "pydoc", 6))
    shutil.rmtree(process.adapters_dir / "dropped")
    wait_for(lambda: say(client, "dropped", 1).status_code == 404)
    wait_for(lambda: (entry(client, "dropped") or {})["state"] == "unloaded")


def test_a_swap_under_a_stream(process: Process, client: httpx.Client, tmp_path: Path) -> None:
    """The open stream ends as it would have; what comes after it has the new weights."""
    old, new = (
        variant(process.adapter_root / "old", 1.0),
        variant(process.adapter_root / "new", 0.0),
    )
    load(client, "swapped", old).raise_for_status()
    body = {"model": "swapped", "messages": QUESTION, "temperature": 0, "max_tokens": 40}
    body |= {"endturn": {"guards": False}, "ignore_eos": True}
    alone = text(client.post("/v1/chat/completions", json=body))
    said, has_begun = [], threading.Event()

    def stream() -> None:
        with httpx.stream(
            "POST", f"{process.url}/v1/chat/completions", json={**body, "stream": True}, timeout=120
        ) as reply:
            for line in reply.iter_lines():
                if line.startswith("data: {"):
                    said.append(json.loads(line[6:])["choices"][0]["delta"].get("content") or "")
                    has_begun.set()

    reader = threading.Thread(target=stream)
    reader.start()
    assert has_begun.wait(60)
    load(client, "swapped", new, load_inplace=True).raise_for_status()
    assert text(client.post("/v1/chat/completions", json=body)) != alone
    reader.join(60)
    assert "".join(said) == alone
    base = {"model": "demo", "messages": QUESTION, "temperature": 0, "max_tokens": 12}
    assert client.post("/v1/chat/completions", json=base).status_code == 200
    unload(client, "swapped")


def test_more_adapters_than_slots(process: Process, client: httpx.Client) -> None:
    """Each answers as it does alone, whoever has the slots; the base stays the base."""
    names = [f"many-{number}" for number in range(NUM_ADAPTERS)]
    for number, name in enumerate(names):
        path = variant(process.adapter_root / name, 1.0 - number / NUM_ADAPTERS)
        load(client, name, path).raise_for_status()
    base = text(say(client, "demo"))
    alone = {name: text(say(client, name)) for name in names}
    assert len(set(alone.values())) > 1, "the adapters cannot be told apart"
    asked = [*names, "demo"] * 3
    with ThreadPoolExecutor(len(asked)) as pool:
        together = list(pool.map(lambda name: text(say(client, name)), asked))
    # Log-probabilities in bfloat16 change with the batch: most answers are the same to the letter.
    expected = [base if name == "demo" else alone[name] for name in asked]
    alike = np.mean([one == other for one, other in zip(together, expected, strict=True)])
    assert alike >= 0.8
    held = [name for name in names if (entry(client, name) or {})["in_engine"]]
    assert 0 < len(held) <= NUM_SLOTS
    for name in names:
        unload(client, name)
    assert not any((entry(client, name) or {})["in_engine"] for name in names)


def test_a_broken_adapter_under_load_hurts_nobody(process: Process, client: httpx.Client) -> None:
    truncated = broken(process.adapter_root / "broken")
    not_numbers = variant(process.adapter_root / "nan", float("nan"))
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(say, client, "pydoc", 24) for _ in range(8)]
        for path, why in ((truncated, "adapter_model.safetensors"), (not_numbers, "NaN")):
            reply = load(client, "broken", path)
            assert reply.status_code == 400, reply.text
            assert why in reply.json()["error"]["message"]
        assert len({text(answer.result()) for answer in answers}) <= 2
    assert (entry(client, "broken") or {})["state"] == "failed"
    assert say(client, "broken").status_code == 404
    assert client.get("/readyz").status_code == 200


def test_a_copy_that_was_broken_after_it_left_the_engine(
    process: Process, client: httpx.Client
) -> None:
    """The engine would die of it in the middle of a step; it never gets to see it."""
    names = [f"fill-{number}" for number in range(NUM_SLOTS)]
    path = variant(process.adapter_root / "lost", 0.9)
    load(client, "lost", path).raise_for_status()
    for number, name in enumerate(names):
        filling = variant(process.adapter_root / name, 0.8 - number / 10)
        load(client, name, filling).raise_for_status()
    found = entry(client, "lost") or {}
    assert found["in_engine"] is False
    copy = (
        default_cache_dir() / "adapters" / found["weights"]["sha256"] / "adapter_model.safetensors"
    )
    content = copy.read_bytes()
    for damage in (lambda: copy.write_bytes(content[:-8] + b"damaged!"), copy.unlink):
        damage()
        reply = say(client, "lost")
        assert (reply.status_code, reply.json()["error"]["code"]) == (503, "adapter_failed")
        assert (entry(client, "lost") or {})["state"] == "failed"
        assert say(client, names[-1]).status_code == 200
    copy.write_bytes(content)
    assert say(client, "lost").status_code == 200
    assert (entry(client, "lost") or {})["state"] == "ready"
    for name in (*names, "lost"):
        unload(client, name)
    assert client.get("/readyz").status_code == 200
