"""The stop head on one stream: how probable it is that the answer ended before each of its tokens."""

from adapters.stop_head import StopHead

from ..engine import StepLogprobs


class HeadWatch:
    """Watches one choice. Every token of it is to be fed, in order: the head may count what came before."""

    def __init__(self, head: StopHead) -> None:
        self._head = head
        self._num_line_breaks = 0

    def feed(self, token_id: int, step: StepLogprobs) -> float:
        """The probability that the answer ended before `token_id`; `step` is the list it was drawn from."""
        probability = self._head.probability(step.top, self._num_line_breaks)
        self._num_line_breaks += self._head.line_breaks.get(token_id, 0)
        return probability
