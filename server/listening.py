"""The socket that clients connect to."""

import errno
import socket

from .errors import StartError

_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Listener(socket.socket):
    """A listening socket that asyncio leaves alone for a second when there is no descriptor for one more connection.

    asyncio of Python 3.11 asks for as many connections in a row as may wait, and goes on after one that was refused so: it
    writes thousands of lines a second and sets as many timers, each of which begins anew. After a refusal this one says
    that nobody waits, which ends the row; asyncio's timer comes back to it.
    """

    _was_refused = False

    def accept(self) -> tuple[socket.socket, object]:
        """As of any socket."""
        if self._was_refused:
            self._was_refused = False
            raise BlockingIOError(errno.EAGAIN, "the last one could not be taken")
        try:
            return super().accept()
        except OSError as exc:
            self._was_refused = exc.errno in _EXHAUSTED
            raise


def listen(host: str, port: int) -> Listener:
    """Listen there; port 0 is any free one.

    Raises:
        StartError: the port is taken, or the address is none of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        made = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as exc:
        raise StartError(f"--host {host} --port {port}: cannot listen ({exc})") from exc
    return Listener(made.family, made.type, made.proto, fileno=made.detach())
