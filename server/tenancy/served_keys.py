"""The keys a server was started with: those given by themselves, and those of a file that may change while it runs."""

import asyncio
from dataclasses import dataclass

from ..settings import Settings
from .key_file import KeyFile
from .tenant import Tenant
from .tenants import Tenants, plain_keys


@dataclass(frozen=True, slots=True)
class ServedKeys:
    """`file` is None where all keys were given on the command line."""

    tenants: Tenants
    given: tuple[Tenant, ...]
    file: KeyFile | None

    async def follow_file(self, interval_s: float = 2.0) -> None:
        """Look for changes of the file until cancelled."""
        while self.file is not None:
            await asyncio.sleep(interval_s)
            changed = await asyncio.to_thread(self.file.changed)
            if changed is not None:
                self.tenants.replace((*self.given, *changed))


def read_keys(settings: Settings) -> ServedKeys | None:
    """The keys of these settings; None where there are none, and everyone is let in.

    Raises:
        StartError: the file of keys is wrong.
    """
    given = tuple(plain_keys([key.get_secret_value() for key in settings.api_key]))
    file = None if settings.api_key_file is None else KeyFile(settings.api_key_file)
    if not given and file is None:
        return None
    tenants = Tenants((*given, *(file.tenants if file is not None else ())))
    return ServedKeys(tenants, given, file)
