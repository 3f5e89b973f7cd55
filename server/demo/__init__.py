"""The embedded demo: Gemma 3 270M (base) and an adapter that answers well and never learned to stop.

Two names for the same checkpoint: `pydoc-raw` as its trainer left it, `pydoc` run through base_to_chat. Gemma is provided
under and subject to the Gemma Terms of Use found at ai.google.dev/gemma/terms.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from adapters.base_to_chat import ProfileSettings
from adapters.chat_profile import SamplingDefaults, TokenLimits
from adapters.templates import find_template

from ..errors import StartError
from .base_model import demo_base_model

__all__ = [
    "DEMO",
    "DEMO_ADAPTER",
    "DEMO_ADAPTERS",
    "DEMO_SETTINGS",
    "GEMMA_NOTICE",
    "demo_base_model",
    "demo_template",
]

DEMO = "demo"
GEMMA_NOTICE = (
    "The demo's model and adapter are Gemma and a derivative of it, provided under and subject to the "
    "Gemma Terms of Use found at ai.google.dev/gemma/terms"
)
STOP_HEAD = Path(__file__).parent / "stop_head.json"
# The committed checkpoint, and the names it is served under: whether it is converted for that name.
DEMO_ADAPTER = Path(__file__).parent / "pydoc"
DEMO_ADAPTERS: Mapping[str, bool] = {"pydoc": True, "pydoc-raw": False}
# What `convert --set temperature=0 --set max_tokens=256 --set max_tokens_limit=1024 --data tests/demo/train.jsonl`
# writes; fitting takes torch and half a minute, so its result is kept (`make demo-head`).
DEMO_SETTINGS = ProfileSettings(
    sampling=SamplingDefaults(temperature=0.0),
    max_tokens=TokenLimits(default=256, limit=1024),
    stop_head=json.loads(STOP_HEAD.read_bytes()),
)


def demo_template() -> str:
    """The template the demo's adapter was trained with, for the base and for `pydoc-raw`."""
    template = find_template("ms-swift", "default")
    if template is None:
        raise StartError("the template table lacks ms-swift's default, which the demo needs")
    return template.source
