"""The operations that see and change which adapters are served, and the adapter on the wire."""

from typing import Annotated

from pydantic import Field

from ..errors import AdapterConflict, PermissionDenied, UnknownModel
from ..hosting.hosted_adapter import AdapterState
from ..schema.adapters import LoadAdapterRequest, UnloadAdapterRequest
from . import examples
from .generation_operations import POSTED
from .model_objects import ModelSummary
from .operation import Operation
from .plain_objects import Count
from .schema_words import Schema
from .wire_object import WireObject

Seconds = Annotated[float, Field(ge=0, description="Seconds since 1970.")]
_TEXT: Schema = {"type": "string"}
_CHANGED = (*(error for error in POSTED if error is not UnknownModel), AdapterConflict)


class AdapterWeights(WireObject):
    """What the engine loads; `sha256` begins the digest of configuration and weights."""

    sha256: str
    rank: int = Field(ge=1)
    bytes: Count


class AdapterEntry(WireObject):
    """One adapter: where it is in its life, and why."""

    id: str
    object: str = Field(pattern="^adapter$")
    state: AdapterState
    reason: str | None = Field(
        description="Why it failed; of one that is ready, why what was to replace it was refused."
    )
    since: Seconds
    source: str
    pinned: bool
    in_engine: bool = Field(description="Whether the engine holds the weights at this moment.")
    in_flight: Count
    last_used: Seconds | None
    load_seconds: float | None = Field(ge=0)
    weights: AdapterWeights | None
    endturn: ModelSummary | None


class AdapterList(WireObject):
    """Every adapter that is served, and those that failed or were unloaded lately."""

    object: str = Field(pattern="^list$")
    data: list[AdapterEntry]


ADAPTER_OPERATIONS = (
    Operation(
        method="get",
        path="/v1/adapters",
        tag="Adapters",
        summary="List the adapters with their states",
        description="Where there are API keys, for an admin's.",
        answer=AdapterList,
        errors=(PermissionDenied,),
    ),
    Operation(
        method="post",
        path="/v1/load_lora_adapter",
        tag="Adapters",
        summary="Serve an adapter",
        description="Answers when it is converted, checked, loaded, proven by a short generation, and served. "
        "`load_inplace` replaces what the name meant: open requests end with the old weights, new ones get the new; "
        "where the new ones are refused, the old stay. `pinned` keeps it in the engine.",
        body=LoadAdapterRequest,
        examples=examples.LOAD_ADAPTER,
        answer=_TEXT,
        media_type="text/plain",
        errors=_CHANGED,
    ),
    Operation(
        method="post",
        path="/v1/unload_lora_adapter",
        tag="Adapters",
        summary="Serve an adapter no longer",
        description="New requests for it are refused at once; answers when the open ones have ended, or after "
        "`--drain-timeout-s`, and the drain goes on.",
        body=UnloadAdapterRequest,
        examples=examples.UNLOAD_ADAPTER,
        answer=_TEXT,
        media_type="text/plain",
        errors=(*_CHANGED, UnknownModel),
    ),
)
