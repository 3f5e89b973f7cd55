"""Who may ask, for what, and how much: API keys, and the limits of each."""

from .key_file import KeyFile, read_key_file
from .key_middleware import TENANT_KEY, KeyMiddleware
from .served_keys import ServedKeys, read_keys
from .tenant import Tenant, digest_of
from .tenants import Admission, Tenants

__all__ = [
    "TENANT_KEY",
    "Admission",
    "KeyFile",
    "KeyMiddleware",
    "ServedKeys",
    "Tenant",
    "Tenants",
    "digest_of",
    "read_key_file",
    "read_keys",
]
