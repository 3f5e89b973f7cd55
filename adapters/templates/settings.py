"""What a checkpoint records beside its template's name, written into the Jinja text as variables it reads."""

import re
from collections.abc import Mapping

_VARIABLE = re.compile(r"[a-z_][a-z0-9_]*", re.ASCII)


def with_settings(
    source: str,
    *,
    system: str | None = None,
    response_prefix: str | None = None,
    enable_thinking: bool | None = None,
    variables: Mapping[str, str] | None = None,
) -> str:
    """`source` with recorded settings in front of it. None means not recorded: the template's own default stays.

    system: the system prompt of conversations that bring none; "" for no system prompt. LLaMA-Factory templates have no
        way to say "none" in a message: there an empty system message means this prompt.
    response_prefix: text after the assistant's header in prompts; "" for none.
    enable_thinking: what a request that does not say gets, for hybrid thinking templates.
    variables: further variables, such as `auto_bos` or those of `TrainerTemplate.raw_ids`.

    Raises:
        ValueError: the name of a variable is none.
    """
    texts = {
        "default_system": system,
        "response_prefix": response_prefix,
        **(variables or {}),
    }
    lines = []
    for name, text in texts.items():
        if not _VARIABLE.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a template variable")
        if text is not None:
            lines.append(f"{{%- set {name} = {_literal(text)} -%}}\n")
    if enable_thinking is not None:
        value = "true" if enable_thinking else "false"
        lines.append(
            "{%- if enable_thinking is not defined -%}"
            f"{{%- set enable_thinking = {value} -%}}{{%- endif -%}}\n"
        )
    return "".join(lines) + source


def _literal(text: str) -> str:
    """A Jinja string literal. Jinja decodes Python's escapes in it, and rewrites bare line breaks, so none is left bare."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(char: str) -> str:
    if char == "\n":
        return "\\n"
    # Braces and percent signs would do no harm inside a literal; escaped, no reader has to know that.
    if char.isprintable() and char not in '"\\{}%#':
        return char
    code = ord(char)
    if code > 0xFFFF:
        return f"\\U{code:08x}"
    return f"\\u{code:04x}" if code > 0xFF else f"\\x{code:02x}"
