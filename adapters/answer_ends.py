"""Whether an answer may end at a place in a text: the judge of cuts.

A rule about English prose, Markdown and CJK punctuation; it knows nothing of models or tokens. It is strict: where the text
does not say, it says no, so a share of bad cuts that it counts is not too small.
"""

import re
from typing import NamedTuple

# Quotation marks and brackets that may stand after a full stop.
CLOSING = "\"')]}*_`" + "\u201d\u2019\u00bb\u300d\u300f\u3011\uff09"
CJK_END = "\u3002\uff01\uff1f\uff0e"
SENTENCE_END = ".!?\u2026" + CJK_END
OPENING = "([{\"'*_`" + "\u201c\u2018\u00ab"
# No line that is whole ends with one of these.
UNFINISHED = ":,;-([{\\" + "\u2013\u2014"
# These end in a period and hardly ever end a sentence.
_ABBREVIATION = re.compile(
    r"approx|ca|cf|[Ee]\.g|eg|[Ee]q|equiv|[Ff]ig|[Ii]\.e|ie|incl|misc|pp|resp|spec|viz|[Vv]ol|vs|w\.r\.t"
    r"|Ch|Dr|Mrs?|Ms|No|Nr|Prof|Sec|St"
)
_WORD_END = re.compile(r"(?:^|\s)[a-z]{4,}\.$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_ITEM = re.compile(
    r"(?P<indent>[ \t]*)(?:[-*+\u2022]|\(?(?:\d{1,3}|[A-Za-z])[.)])(?:[ \t]+(?P<body>.*)|$)"
)
_HEADING = re.compile(r" {0,3}#{1,6}(?:\s|$)")
_RULE = re.compile(r" {0,3}([-*_=])(?:\s*\1){2,}\s*")


def may_end(text: str, following: str | None = None) -> bool:
    """Whether an answer may end after `text`: not inside a sentence, a list item, a code block or brackets.

    Args:
        text: the answer so far.
        following: what comes next where that is known, "" where nothing does. With it, a period inside a name or a
            number, a list item that goes on and a line without a full stop can be told.
    """
    body = text.rstrip()
    if not body or body.endswith("\N{REPLACEMENT CHARACTER}"):
        return False
    lines = body.split("\n")
    fence = _fence_state(lines)
    if fence.is_open:
        return False
    if fence.just_closed:
        return True
    rest = None if following is None else text[len(body) :] + following
    if _goes_on(lines[-1], rest):
        return False
    if _is_inside(_last_block(lines)):
        return False
    return _ends_sentence(body, rest) or _ends_line(lines, rest)


class _Fence(NamedTuple):
    is_open: bool
    just_closed: bool


def _fence_state(lines: list[str]) -> _Fence:
    """Whether the last line is in a fenced code block or closes one. The closing fence is at least as long."""
    opened = ""
    closed = False
    for line in lines:
        match = _FENCE.fullmatch(line)
        closed = False
        if match is None:
            continue
        marks, info = match.groups()
        if not opened:
            opened = marks
        elif marks.startswith(opened) and not info.strip():
            opened, closed = "", True
    return _Fence(bool(opened), closed)


def _goes_on(line: str, rest: str | None) -> bool:
    """Whether the last line is only the opening of something, or a list item with more of it to come."""
    if _HEADING.match(line) or _RULE.fullmatch(line):
        return True
    item = _ITEM.fullmatch(line)
    if item is None:
        return False
    if not (item["body"] or "").strip():
        return True
    if rest is None:
        return False
    same_line, _, below = rest.partition("\n")
    if same_line.strip():
        return True
    next_line = below.partition("\n")[0]
    # More of the item, or a list inside it, is indented deeper than its marker.
    indent = len(next_line) - len(next_line.lstrip())
    return bool(next_line.strip()) and indent > len(item["indent"])


def _last_block(lines: list[str]) -> str:
    """The last paragraph or list item."""
    for start in range(len(lines) - 1, 0, -1):
        if not lines[start - 1].strip() or _ITEM.fullmatch(lines[start]):
            return "\n".join(lines[start:])
    return "\n".join(lines)


def _is_inside(block: str) -> bool:
    """Whether brackets, quotes or inline code are open at the end of a paragraph or list item."""
    # `name' is how old manuals quote.
    if block.count("`") % 2 and "'" not in block.rpartition("`")[2]:
        return True
    plain = re.sub(r"`[^`]*`", "", block)
    return (
        plain.count("(") > plain.count(")")
        or plain.count('"') % 2 == 1
        or plain.count("\u201c") > plain.count("\u201d")
        or plain.count("$$") % 2 == 1
    )


def _ends_sentence(body: str, rest: str | None) -> bool:
    """Whether `body` ends with sentence-final punctuation that is no part of a word, a number or an abbreviation."""
    bare = body.rstrip(CLOSING)
    if not bare or bare[-1] not in SENTENCE_END:
        return False
    if bare != body and bare.endswith(("...", "\u2026")) and body[len(bare)] in ")]}":
        return False  # f(a, ...)
    if bare[-1] == "." and _is_abbreviation(bare):
        return False
    if not rest:
        return True
    if not rest[0].isspace():
        return bare[-1] in CJK_END and rest[0].isalnum()
    same_line = rest.partition("\n")[0].lstrip()
    # A sentence may begin with a name in small letters; after a short word the period may be an abbreviation's.
    return not same_line[:1].islower() or bool(_WORD_END.search(bare))


def _is_abbreviation(bare: str) -> bool:
    words = bare.split()
    word = words[-1].lstrip(OPENING).rstrip(".")
    if _ABBREVIATION.fullmatch(word):
        return True
    if len(word) == 1 and word.isupper():  # an initial: "John F."
        return len(words) == 1 or words[-2][:1].isupper()
    return len(words) == 1 and word.isdigit()


def _ends_line(lines: list[str], rest: str | None) -> bool:
    """Whether a line without a full stop is whole: an item of a list, a row of a table, or an answer of one line."""
    line = lines[-1].rstrip()
    if rest is None or line[-1] in UNFINISHED or (rest and not rest.lstrip(" \t").startswith("\n")):
        return False
    if _ITEM.fullmatch(line) or (line.startswith("|") and line.endswith("|")):
        return True
    below = rest.strip("\n")
    is_paragraph = not below or rest.lstrip(" \t").startswith("\n\n")
    return is_paragraph and len(lines) == 1 and not _ITEM.match(below)
