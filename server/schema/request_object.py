"""The base of every object in a request body: strict types, and nothing changes after it was read."""

from pydantic import BaseModel, ConfigDict


class RequestPart(BaseModel):
    """Unknown fields are ignored, as OpenAI's clients expect; a number in a string is an error."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, allow_inf_nan=False)
