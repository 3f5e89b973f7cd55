"""OpenAI's text completions on the wire, whole and in chunks, with the prompt before the answer where it is to be echoed."""

from collections.abc import Sequence
from typing import Any

import orjson

from ..choice import TokenLogprobs
from ..finish import Finish
from ..generation import ChoiceDelta
from ..text_prompt import TextPrompt
from .logprobs import LogprobsWriter, PromptLogprobs
from .sse import ChunkWire, finish_fields
from .wire import AnswerHead, WholeChoice


class CompletionWire(ChunkWire):
    """`text_completion`, whole and in chunks. The choices of the first prompt come first, then those of the next.

    Args:
        echoes: the prompts, where each answer is to begin with its own.
    """

    id_prefix = "cmpl-"
    object_name = "text_completion"
    stream_object_name = "text_completion"

    def __init__(self, head: AnswerHead, echoes: Sequence[TextPrompt] = ()) -> None:
        super().__init__(head)
        self._prompts = head.prompts
        self._prompt_logprobs = head.prompt_logprobs
        self._num_returned = head.plan.num_returned
        self._echoes = echoes
        self._echoed: set[int] = set()

    def _delta_choice(self, delta: ChoiceDelta) -> bytes:
        if self._echoes:
            return orjson.dumps({**self._echoing(delta), "finish_reason": None})
        return b'{"index":%d,"text":%b,"logprobs":%b,"finish_reason":null}' % (
            delta.index,
            orjson.dumps(delta.text),
            orjson.dumps(self._written_logprobs(delta.logprobs)),
        )

    def _last_choice(self, delta: ChoiceDelta, finish: Finish) -> bytes:
        if self._echoes:
            return orjson.dumps({**self._echoing(delta), **finish_fields(finish)})
        logprobs = self._written_logprobs(delta.logprobs)
        head = {"index": delta.index, "text": delta.text, "logprobs": logprobs}
        return orjson.dumps({**head, **finish_fields(finish)})

    def _echoing(self, delta: ChoiceDelta) -> dict[str, Any]:
        """A choice's text; before the first of it stands the prompt."""
        prompt = self._echoes[delta.index // self._num_returned]
        steps: PromptLogprobs | None = None
        text = delta.text
        if delta.index not in self._echoed:
            self._echoed.add(delta.index)
            steps = () if delta.prompt is None else delta.prompt.logprobs
            text = prompt.text + text
        logprobs = self._echoed_logprobs(prompt, steps, delta.logprobs)
        return {"index": delta.index, "text": text, "logprobs": logprobs}

    def _echoed_logprobs(
        self,
        prompt: TextPrompt,
        steps: PromptLogprobs | None,
        logprobs: Sequence[TokenLogprobs],
    ) -> dict[str, Any] | None:
        """Those of the answer, after those of the prompt where there are `steps`."""
        writer = self._logprobs
        if writer is None:
            return None
        answer = writer.completion(logprobs, text_start=len(prompt.text))
        if steps is None:
            return answer
        before = writer.echo(prompt.token_ids, steps, prompt.token_starts)
        return {name: before[name] + answer[name] for name in answer}

    def _logprobs_object(
        self, writer: LogprobsWriter, logprobs: Sequence[TokenLogprobs]
    ) -> dict[str, Any]:
        return writer.completion(logprobs)

    def _whole_fields(self, index: int, choice: WholeChoice) -> dict[str, Any]:
        number = index // self._num_returned
        text = "".join(choice.pieces)
        fields: dict[str, Any]
        if self._echoes:
            prompt = self._echoes[number]
            logprobs = self._echoed_logprobs(prompt, choice.prompt_logprobs, choice.logprobs)
            fields = {"text": prompt.text + text, "logprobs": logprobs}
        else:
            fields = {"text": text, "logprobs": self._written_logprobs(choice.logprobs)}
        if self._prompt_logprobs is not None:
            fields["prompt_logprobs"] = self._prompt_logprobs.prompt(
                self._prompts[number], choice.prompt_logprobs
            )
        return fields
