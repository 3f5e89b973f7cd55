"""What operators meet on the real engine: its worker killed under a stream."""

import json
import os
import signal

import httpx2 as httpx
import psutil
import pytest

from tests.engine.conftest import API_KEY, Process

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]


@pytest.mark.ends_server
def test_a_killed_worker_ends_open_streams_and_the_process(smollm2: Process) -> None:
    """Last with this server."""
    pids = [child.pid for child in psutil.Process(smollm2.popen.pid).children(recursive=True)]
    workers = [pid for pid in pids if "Worker" in " ".join(psutil.Process(pid).cmdline())]
    assert workers
    with httpx.Client(base_url=smollm2.url, timeout=30) as client:
        headers = {"Authorization": f"Bearer {API_KEY}"}
        served = client.get("/v1/models", headers=headers).json()["data"][0]["id"]
    body = {"model": served, "messages": [{"role": "user", "content": "Count."}], "stream": True}
    body |= {"max_tokens": 800, "ignore_eos": True, "endturn": {"guards": False}}
    with httpx.stream(
        "POST", f"{smollm2.url}/v1/chat/completions", json=body, headers=headers, timeout=90
    ) as reply:
        lines = reply.iter_lines()
        next(lines)
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        rest = [line for line in lines if line]
    assert rest[-1] == "data: [DONE]"
    assert json.loads(rest[-2].removeprefix("data: "))["error"]["code"] == "engine_dead"
    assert smollm2.popen.wait(60) == 1
    left = [pid for pid in pids if psutil.pid_exists(pid)]
    assert [pid for pid in left if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE] == []
