"""Which requests use which model: what has to stay until they are over."""

import asyncio
from collections import Counter

from ..served_model import ServedModel

# One name with one set of weights.
_Use = tuple[str, str]


class ModelUses:
    """Counts every request from the moment its model is known until its response has ended, broken or been abandoned."""

    def __init__(self) -> None:
        self._num_requests: Counter[_Use] = Counter()
        self._used_by: dict[str, _Use] = {}
        self._waiting: dict[_Use, list[asyncio.Future[None]]] = {}

    def take(self, request_id: str, model: ServedModel) -> None:
        """The request uses `model`, as that is now."""
        use = _use(model)
        if use is not None and request_id not in self._used_by:
            self._used_by[request_id] = use
            self._num_requests[use] += 1

    def drop(self, request_id: str) -> None:
        """The request is over."""
        use = self._used_by.pop(request_id, None)
        if use is None:
            return
        self._num_requests[use] -= 1
        if self._num_requests[use]:
            return
        del self._num_requests[use]
        for waiting in self._waiting.pop(use, ()):
            if not waiting.done():
                waiting.set_result(None)

    def count(self, model: ServedModel) -> int:
        """Requests that use `model`."""
        use = _use(model)
        return 0 if use is None else self._num_requests[use]

    async def wait_until_unused(self, model: ServedModel) -> None:
        """Return when no request uses `model`."""
        use = _use(model)
        while use is not None and self._num_requests[use]:
            free: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.setdefault(use, []).append(free)
            await free


def _use(model: ServedModel) -> _Use | None:
    return None if model.adapter is None else (model.name, model.adapter.key)
