"""Requests that change which adapters are served: vLLM's shapes, and a pin."""

from typing import ClassVar

from pydantic import Field

from .request_object import RequestPart

MAX_SOURCE_CHARS = 4096
_NAME = "The name that requests ask for as `model`."


class LoadAdapterRequest(RequestPart):
    """`POST /v1/load_lora_adapter`. `lora_path` is any source that the server's settings allow.

    `load_inplace`: replace what the name means now, for requests that come after. `pinned`: never give way to others.
    """

    also_known: ClassVar[frozenset[str]] = frozenset({"is_3d_lora_weight"})

    lora_name: str = Field(min_length=1, max_length=128, description=_NAME)
    lora_path: str = Field(
        min_length=1,
        max_length=MAX_SOURCE_CHARS,
        description="Where it is: a directory, a hub id, or an address, as the server's settings allow.",
    )
    load_inplace: bool = Field(
        default=False, description="Replace what the name means now, for requests that come after."
    )
    pinned: bool = Field(default=False, description="Never let it give way to other adapters.")


class UnloadAdapterRequest(RequestPart):
    """`POST /v1/unload_lora_adapter`; vLLM's own number of an adapter means nothing here."""

    also_known: ClassVar[frozenset[str]] = frozenset({"lora_int_id"})

    lora_name: str = Field(min_length=1, max_length=128, description=_NAME)
