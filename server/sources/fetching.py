"""From what a source says to a directory on this machine: is it allowed, then have it."""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from adapters.errors import printable

from .address import BUCKETS, HUB, Address, parse_address, scheme_of
from .archive import SUFFIXES, is_archive_name, unpack
from .budget import Budget, copy_blocks
from .errors import SourceError
from .http_archive import opened_over_http
from .hub import HubId, fetch_from_hub, parse_hub_id
from .local_directory import directory_anywhere, directory_in_roots
from .object_store import download_folder, object_store, opened_object, refuse_without_library
from .rules import SourceRules
from .source_cache import PREFIX, adapter_directory, home_of, publish, published
from .work_directory import work_directory

_MAX_SHOWN = 300


def fetch(source: str, rules: SourceRules, *, is_trusted: bool) -> Path:
    """The directory of the adapter that `source` names: a path, a hub id, or the address of an archive or bucket. Blocking.

    Remote sources without a checksum or a commit are fetched at every call.

    Args:
        is_trusted: the operator's own command line says so; else the rules' roots and allow-list decide.

    Raises:
        SourceError: it may not be used, or cannot be had; nothing is left in the cache.
    """
    with _named(source):
        place = _place(source, rules, is_trusted=is_trusted)
        if isinstance(place, Path):
            return place
        if isinstance(place, HubId):
            return fetch_from_hub(place, max_bytes=rules.max_bytes)
        return adapter_directory(_fetch_address(place, rules, is_trusted=is_trusted))


def check_source(source: str, rules: SourceRules, *, is_trusted: bool) -> None:
    """Refuse what `fetch` would refuse before it uses the network.

    Raises:
        SourceError: the source may not be used, or is none.
    """
    with _named(source):
        _place(source, rules, is_trusted=is_trusted)


def shown_source(source: str) -> str:
    """The source for logs and listings: what may be a credential in it is left out."""
    if scheme_of(source) is None:
        return printable(source)[:_MAX_SHOWN]
    if parse_hub_id(source) is not None:
        return source
    try:
        return parse_address(source).shown[:_MAX_SHOWN]
    except SourceError:
        # A password may hold any character, so where one may be nothing else is shown.
        scheme = f"{scheme_of(source)}://"
        place = source.partition("://")[2]
        return (
            scheme + "..."
            if "@" in place
            else scheme + printable(_before_query(place))[:_MAX_SHOWN]
        )


def _before_query(place: str) -> str:
    return place.partition("?")[0].partition("#")[0]


@contextmanager
def _named(source: str) -> Iterator[None]:
    try:
        yield
    except SourceError as exc:
        raise SourceError(f"{shown_source(source)}: {exc}") from exc
    except OSError as exc:
        reason = exc.strerror or type(exc).__name__
        raise SourceError(
            f"{shown_source(source)}: it cannot be stored ({reason}); --cache-dir says where"
        ) from exc


def _place(source: str, rules: SourceRules, *, is_trusted: bool) -> Path | HubId | Address:
    if not source.strip():
        raise SourceError("an empty source")
    scheme = scheme_of(source)
    if scheme is None:
        return _path_or_hub_id(source, rules, is_trusted=is_trusted)
    hub = parse_hub_id(source)
    if hub is not None:
        return _allowed_hub_id(hub, rules, is_trusted=is_trusted)
    if scheme == HUB:
        raise SourceError("a hub id is hf://organisation/name, or hf://organisation/name@revision")
    address = parse_address(source)
    if not is_trusted and not rules.covers(address):
        raise SourceError(
            "it is not allowed: start the server with --allow-source and a prefix of it"
        )
    _refuse_unfit(address)
    return address


def _refuse_unfit(address: Address) -> None:
    is_archive = is_archive_name(address.path)
    if address.scheme in BUCKETS:
        refuse_without_library(address.scheme)
        if not address.segments:
            raise SourceError("it names a bucket; add the folder or archive in it")
        if address.sha256 and not is_archive:
            raise SourceError("a checksum is of an archive, and this is a folder")
    elif not is_archive:
        raise SourceError(f"it is no archive: {', '.join(SUFFIXES)} are taken")


def _path_or_hub_id(source: str, rules: SourceRules, *, is_trusted: bool) -> Path | HubId:
    path = directory_anywhere(source) if is_trusted else directory_in_roots(source, rules)
    if path is not None:
        return path
    hub = parse_hub_id(source)
    if hub is None:
        where = "" if is_trusted else " in a directory of --adapter-root"
        raise SourceError(f"no such directory{where}")
    return _allowed_hub_id(hub, rules, is_trusted=is_trusted)


def _allowed_hub_id(hub: HubId, rules: SourceRules, *, is_trusted: bool) -> HubId:
    if not is_trusted and not rules.covers(hub.address):
        raise SourceError(
            "no such directory in --adapter-root, and as a hub id it is not allowed: start the server with "
            f"--allow-source hf://{hub.org} to allow it"
        )
    return hub


def _fetch_address(address: Address, rules: SourceRules, *, is_trusted: bool) -> Path:
    if address.sha256 and (there := published(rules.cache_dir, address.sha256)):
        return there
    with work_directory(home_of(rules.cache_dir), PREFIX) as work:
        directory = work / "adapter"
        directory.mkdir()
        if address.scheme in BUCKETS and not is_archive_name(address.path):
            budget = _download_budget(rules)
            with object_store(address.scheme, rules) as store:
                digest = download_folder(store, address, directory, budget)
        else:
            digest = _download(address, work / "archive", rules, is_trusted=is_trusted)
            if there := published(rules.cache_dir, digest):
                return there
            unpack(work / "archive", directory, max_bytes=rules.max_bytes)
        return publish(directory, rules.cache_dir, digest)


def _download(address: Address, target: Path, rules: SourceRules, *, is_trusted: bool) -> str:
    """Download the archive; its SHA-256."""

    def is_allowed(other: Address) -> bool:
        return rules.covers(other) or (is_trusted and other.origin == address.origin)

    digest, budget = hashlib.sha256(), _download_budget(rules)
    with target.open("xb") as file, ExitStack() as stack:
        if address.scheme in BUCKETS:
            store = stack.enter_context(object_store(address.scheme, rules))
            body = stack.enter_context(opened_object(store, address, rules.max_bytes))
        else:
            body = stack.enter_context(opened_over_http(address, rules, is_allowed))
        copy_blocks(body, file, budget, digest.update)
    if address.sha256 not in (None, digest.hexdigest()):
        raise SourceError(
            f"its SHA-256 is {digest.hexdigest()}, not the {address.sha256} that is asked for"
        )
    return digest.hexdigest()


def _download_budget(rules: SourceRules) -> Budget:
    return Budget(rules.max_bytes, doing="the download", seconds=rules.total_timeout_s)
