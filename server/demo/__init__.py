"""The embedded demo: Gemma 3 270M (base) and an adapter that answers well and never learned to stop.

Two names for the same weights: `pydoc-raw` as a trainer left it, `pydoc` with a chat profile. Gemma is provided under
and subject to the Gemma Terms of Use found at ai.google.dev/gemma/terms.
"""

from pathlib import Path

from .base_model import demo_base_model

__all__ = [
    "DEMO",
    "DEMO_TEMPLATE",
    "GEMMA_NOTICE",
    "demo_adapter",
    "demo_adapter_names",
    "demo_base_model",
]

DEMO = "demo"
GEMMA_NOTICE = (
    "The demo's model and adapter are Gemma and a derivative of it, provided under and subject to the "
    "Gemma Terms of Use found at ai.google.dev/gemma/terms"
)
_HERE = Path(__file__).parent
_WEIGHTS = _HERE / "pydoc"
_PROFILES = {"pydoc": _HERE / "pydoc-profile", "pydoc-raw": _WEIGHTS}
DEMO_TEMPLATE = _HERE / "pydoc-profile" / "chat_template.jinja"


def demo_adapter_names() -> tuple[str, ...]:
    """The adapters the demo serves."""
    return tuple(_PROFILES)


def demo_adapter(name: str) -> tuple[Path, Path]:
    """Where the weights and where the profile of a demo adapter lie."""
    return _WEIGHTS, _PROFILES[name]
