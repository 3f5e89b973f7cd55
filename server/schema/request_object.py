"""The base of every object in a request body: strict types, and nothing changes after it was read."""

from typing import ClassVar

from pydantic import ConfigDict

from adapters.bounded_model import BoundedModel


class RequestPart(BoundedModel):
    """Unknown fields are ignored, as OpenAI's clients expect; a number in a string is an error.

    Where unknown fields are refused instead, `also_known` are names that the API has and that mean nothing here, and
    `continues` is the kind of request that takes the fields which this one has not.
    """

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, allow_inf_nan=False)

    also_known: ClassVar[frozenset[str]] = frozenset()
    continues: ClassVar["type[RequestPart] | None"] = None
