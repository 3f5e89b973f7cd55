"""One API key and what it may do. The key itself is never kept: only its SHA-256."""

import hashlib
import re

from pydantic import BaseModel, ConfigDict, Field, field_validator

_DIGEST = re.compile(r"[0-9a-f]{64}")


def digest_of(key: str) -> str:
    """SHA-256 of a key, as it stands in a key file. Keys are random, so a slow hash would add nothing but load."""
    return hashlib.sha256(key.encode()).hexdigest()


class Tenant(BaseModel):
    """An entry of a key file. What is None is unlimited.

    adapters: names that may be asked for, the base's among them. priority: what its requests get at least (vLLM: lower is
    more urgent). tokens_per_minute: of prompts and answers together.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    sha256: str
    adapters: list[str] | None = Field(default=None, min_length=1)
    admin: bool = False
    allow_guards_off: bool = True
    requests_per_minute: int | None = Field(default=None, ge=1, le=10**9)
    tokens_per_minute: int | None = Field(default=None, ge=1, le=10**12)
    max_concurrent: int | None = Field(default=None, ge=1, le=10**6)
    priority: int = Field(default=0, ge=-(2**31), lt=2**31)

    @field_validator("sha256")
    @classmethod
    def _is_a_digest(cls, sha256: str) -> str:
        if not _DIGEST.fullmatch(sha256):
            raise ValueError("not 64 lower-case hexadecimal digits; `endturn key NAME` makes one")
        return sha256

    def may_use(self, model: str) -> bool:
        """Whether this key may ask for the model of that name."""
        return self.adapters is None or model in self.adapters
