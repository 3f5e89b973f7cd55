"""A free port of 127.0.0.1 for tests and benchmarks that start servers."""

import socket


def free_port() -> int:
    """A port nobody listens on at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
