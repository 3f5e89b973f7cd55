"""No file descriptor left for one more connection: the server waits for one, without a storm of log lines."""

import os
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx2 as httpx

from .child_server import Child

NUM_CONNECTIONS = 120
FREE = 30


def descriptors(child: Child) -> int:
    return len(os.listdir(f"/proc/{child.process.pid}/fd"))  # noqa: PTH208


@contextmanager
def descriptor_limit(child: Child, number: int) -> Iterator[None]:
    pid = child.process.pid
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (number, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))


def refusals(child: Child) -> int:
    return child.log.read_text().count("out of system resource")


def test_more_connections_than_descriptors(child: Child) -> None:
    address = (child.client.base_url.host, child.client.base_url.port)
    assert child.chat("first").status_code == 200
    before, told_before = descriptors(child), refusals(child)
    began_s = time.monotonic()
    with descriptor_limit(child, before + FREE), ExitStack() as stack:
        for _ in range(NUM_CONNECTIONS):  # the kernel takes them, whoever accepts them
            stack.enter_context(socket.create_connection(address))
        ends_s = time.monotonic() + 60
        while refusals(child) < told_before + 2:
            assert time.monotonic() < ends_s, "no descriptor was missing: the test tests nothing"
            time.sleep(0.1)
        # Whoever has a connection is answered.
        assert child.chat("first").status_code == 200
    with httpx.Client(base_url=child.client.base_url, timeout=60) as anew:
        assert anew.get("/readyz").status_code == 200
    # asyncio tries again every second, and says so each time it fails.
    assert refusals(child) - told_before <= 2 + time.monotonic() - began_s
    assert child.load("none", "/nowhere").status_code == 400
    ends_s = time.monotonic() + 60
    while descriptors(child) > before:
        assert time.monotonic() < ends_s, "descriptors leaked"
        time.sleep(0.1)
