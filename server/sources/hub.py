"""An adapter from the Hugging Face hub, through its own client and cache (HF_HOME, HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE)."""

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from huggingface_hub import DryRunFileInfo, snapshot_download
from huggingface_hub.errors import (
    DryRunError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
)

from adapters.errors import printable

from .address import HUB, Address, scheme_of
from .budget import MAX_ENTRIES, Budget
from .errors import SourceError
from .file_kinds import SMALL_FILES, WEIGHTS

_HUB_ID = re.compile(
    r"(?P<org>[A-Za-z0-9][A-Za-z0-9_.-]{0,95})/(?P<name>[A-Za-z0-9][A-Za-z0-9_.-]{0,95})"
    r"(@(?P<revision>[A-Za-z0-9][A-Za-z0-9_./-]{0,199}))?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HubId:
    """A repository of the hub; `revision`: a branch, a tag or a commit, None for the main branch."""

    org: str
    name: str
    revision: str | None = None

    @property
    def repo_id(self) -> str:
        return f"{self.org}/{self.name}"

    @property
    def address(self) -> Address:
        """As the allow-list sees it."""
        return Address(scheme=HUB, host=self.org, segments=(self.name,))


def parse_hub_id(text: str) -> HubId | None:
    """`hf://org/name[@revision]` or `org/name[@revision]`; None where it is neither."""
    plain = text.partition("://")[2] if scheme_of(text) == HUB else text
    match = _HUB_ID.fullmatch(plain)
    if match is None or ".." in plain:
        return None
    return HubId(**match.groupdict())


def fetch_from_hub(hub: HubId, *, max_bytes: int) -> Path:
    """The directory of the snapshot in the hub's cache, fetched where it is not there yet.

    Raises:
        SourceError: the hub has not got it, or it is too large.
    """
    patterns = [*SMALL_FILES, *WEIGHTS]
    ask: Any = partial(snapshot_download, hub.repo_id, allow_patterns=patterns)
    try:
        return Path(_fetch(ask, hub.revision, max_bytes))
    except HFValidationError as exc:
        raise SourceError(f"it is no hub id ({printable(str(exc))})") from exc
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as exc:
        raise SourceError(
            f"no such directory, and the hub has not got it ({printable(str(exc))})"
        ) from exc


def _fetch(ask: Any, revision: str | None, max_bytes: int) -> str:
    try:
        listing: list[DryRunFileInfo] = ask(revision=revision, dry_run=True)
    except DryRunError as exc:
        # The hub cannot be asked: what is in its cache will do.
        try:
            return str(ask(revision=revision, local_files_only=True))
        except LocalEntryNotFoundError:
            raise (exc.__cause__ or exc) from None
    _refuse_large(listing, max_bytes)
    commit = listing[0].commit_hash if listing else revision
    return str(ask(revision=commit))


def _refuse_large(listing: list[DryRunFileInfo], max_bytes: int) -> None:
    if len(listing) > MAX_ENTRIES:
        raise SourceError(f"it holds more than {MAX_ENTRIES:,} files")
    budget = Budget(max_bytes, doing="fetching it")
    for file in listing:
        budget.take_bytes(file.file_size or 0)
