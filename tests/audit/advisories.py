"""PyPI's advisories of one release, as its JSON API gives them (the database that pip-audit reads by default).

A mirror of PyPI often serves files and no advisories, and then every release looks clean: so a release that is known to be
vulnerable is asked for first.
"""

import json
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PYPI = "https://pypi.org"
# Abandoned, and vulnerable for ever: CVE-2013-7459 and CVE-2018-6594.
KNOWN_VULNERABLE = ("pycrypto", "2.6.1")
TIMEOUT_S = 20


class Unreachable(Exception):
    """The advisories cannot be had, so nothing can be said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advisory:
    """One vulnerability of one release."""

    package: str
    version: str
    id: str
    aliases: tuple[str, ...]
    fixed_in: tuple[str, ...]

    def __str__(self) -> str:
        names = ", ".join((self.id, *self.aliases))
        fixed = ", ".join(self.fixed_in) or "no release yet"
        return f"{self.package} {self.version}: {names}; fixed in {fixed}"


def locked(files: Iterable[Path]) -> list[tuple[str, str]]:
    """Name and version of everything that these lock files name, once each."""
    found = set()
    for file in files:
        for line in file.read_text().splitlines():
            if line and not line.startswith("#"):
                name, _, version = line.split()[0].partition("==")
                found.add((name, version))
    return sorted(found)


def check_database(url: str = PYPI) -> None:
    """Ask for a release that is known to be vulnerable.

    Raises:
        Unreachable: nobody answers, or whoever does has no advisories.
    """
    if not list(advisories(*KNOWN_VULNERABLE, url=url)):
        name, version = KNOWN_VULNERABLE
        raise Unreachable(f"{url} knows nothing of {name} {version}: it has no advisories")


def advisories(name: str, version: str, *, url: str = PYPI) -> Iterator[Advisory]:
    """The advisories of one release that were not withdrawn.

    Raises:
        Unreachable: they cannot be read.
    """
    place = f"{url}/pypi/{name}/{version}/json"
    try:
        with urllib.request.urlopen(place, timeout=TIMEOUT_S) as reply:  # noqa: S310  (PYPI, or a test's own server)
            found: list[dict[str, Any]] = json.load(reply)["vulnerabilities"]
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise Unreachable(f"{place}: {type(exc).__name__}: {exc}") from exc
    for entry in found:
        if not entry.get("withdrawn"):
            yield Advisory(
                package=name,
                version=version,
                id=entry["id"],
                aliases=tuple(entry.get("aliases") or ()),
                fixed_in=tuple(entry.get("fixed_in") or ()),
            )
