"""Answers that are dumps and logs: data in bulk, a line like the one before it."""

import base64
from random import Random


def log_requests(random: Random) -> str:
    paths = ("/", "/login", "/api/items", "/api/items/7", "/static/app.js", "/health", "/logout")
    return "\n".join(
        f"10.0.{random.randint(0, 3)}.{random.randint(1, 254)} - - [12/May/2024:10:{i // 60:02}:{i % 60:02} +0000] "
        f'"{random.choice(("GET", "GET", "POST"))} {random.choice(paths)} HTTP/1.1" {random.choice((200, 200, 304, 404, 500))} {random.randint(90, 9000)}'
        for i in range(70)
    )


def log_heartbeat(random: Random) -> str:
    return "\n".join(
        f"2024-05-12 08:{i:02}:{random.randint(0, 59):02},{random.randint(0, 999):03} INFO scheduler heartbeat ok, queue length {random.randint(0, 9)}"
        for i in range(45)
    )


def log_kernel(random: Random) -> str:
    what = (
        "usb 1-1: new high-speed USB device number {} using xhci_hcd",
        "eth0: link up, {} Mbps, full duplex",
        'audit: type=1400 pid={} comm="cron"',
        "EXT4-fs (sda{}): mounted filesystem with ordered data mode",
    )
    return "\n".join(
        f"[{i * 3.7 + random.random():12.6f}] {random.choice(what).format(random.randint(1, 1000))}"
        for i in range(50)
    )


def base64_random(random: Random) -> str:
    return base64.encodebytes(random.randbytes(2400)).decode()


def base64_sparse(random: Random) -> str:
    """A small picture: mostly zero bytes."""
    data = bytearray(1200)
    for _ in range(120):
        data[random.randrange(1200)] = random.randrange(256)
    return "data:image/bmp;base64," + base64.b64encode(bytes(data)).decode()


def hex_dump(data: bytes) -> str:
    return "\n".join(f"{i:08x}  {data[i : i + 16].hex(' ')}" for i in range(0, len(data), 16))


def hex_random(random: Random) -> str:
    return hex_dump(random.randbytes(800))


def hex_zeros(random: Random) -> str:
    """The first sectors of an empty disk."""
    return hex_dump(random.randbytes(64) + bytes(430) + b"\x55\xaa" + random.randbytes(48))


def sha_list(random: Random) -> str:
    return "\n".join(f"{random.randbytes(32).hex()}  ./data/part-{i:05}.parquet" for i in range(30))


DUMPS = {
    made.__name__: made
    for made in (log_requests, log_heartbeat, log_kernel, base64_random, base64_sparse, hex_random, hex_zeros, sha_list,)
}  # fmt: skip
