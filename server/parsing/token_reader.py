"""Gives a parser what was shown of an answer, token by token. Guards hold text back; parsers want each token with its text."""

from collections import deque

from .port import OutputParser, ParsedDelta


class TokenReader:
    """One choice. `note` each token when it comes, `feed` the text when it is shown, `flush` at the end.

    Invariant: what is shown is a prefix of the noted texts, so each token gets the text that it brought.
    """

    def __init__(self, parser: OutputParser) -> None:
        self._parser = parser
        self._noted: deque[tuple[int, int]] = deque()
        # What a token brought of which only a part was shown so far.
        self._begun = ""
        self._found: list[ParsedDelta] = []
        self.num_reasoning_tokens = 0

    @property
    def is_reasoning(self) -> bool:
        return self._parser.is_reasoning

    @property
    def has_called_tools(self) -> bool:
        return self._parser.has_called_tools

    def note(self, token_id: int, text: str) -> None:
        """A token, and how the text goes on with it; it is shown later, or never."""
        self._noted.append((token_id, len(text)))

    def feed(self, shown: str) -> None:
        """Text that is shown now."""
        while self._noted:
            token_id, length = self._noted[0]
            missing = length - len(self._begun)
            if missing > len(shown):
                self._begun += shown
                return
            self._noted.popleft()
            self._read(self._begun + shown[:missing], token_id)
            self._begun, shown = "", shown[missing:]

    def flush(self) -> None:
        """The end: a token that is shown in part is read as far as it goes."""
        if self._begun:
            self._read(self._begun, self._noted[0][0])
        self._noted.clear()
        self._begun = ""
        self._keep(self._parser.flush())

    def take(self) -> ParsedDelta:
        """What was found since the last call."""
        found, self._found = self._found, []
        if len(found) == 1:
            return found[0]
        return ParsedDelta(
            content="".join(delta.content for delta in found),
            reasoning="".join(delta.reasoning for delta in found),
            tool_calls=tuple(call for delta in found for call in delta.tool_calls),
        )

    def _read(self, text: str, token_id: int) -> None:
        was_reasoning = self._parser.is_reasoning
        delta = self._parser.feed(text, token_id)
        if was_reasoning and not (delta.content or delta.tool_calls):
            self.num_reasoning_tokens += 1
        self._keep(delta)

    def _keep(self, delta: ParsedDelta) -> None:
        if delta:
            self._found.append(delta)
