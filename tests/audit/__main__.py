"""`make audit`: exit 0 where no locked release has an advisory, 1 where one has, 2 where it could not be checked."""

import sys
from collections.abc import Iterable
from pathlib import Path

from .advisories import PYPI, Unreachable, advisories, check_database, locked

ROOT = Path(__file__).parent.parent.parent
CLEAN, VULNERABLE, UNCHECKED = 0, 1, 2


def audit(releases: Iterable[tuple[str, str]], url: str = PYPI) -> int:
    """Print what is known of these releases; the exit status. One that could not be asked for is never clean."""
    releases = list(releases)
    try:
        check_database(url)
    except Unreachable as exc:
        print(f"could not be checked: {exc}")
        return UNCHECKED
    found, unchecked = 0, 0
    for name, version in releases:
        try:
            # Of torch, the CPU build's version has a part of its own.
            for advisory in advisories(name, version.partition("+")[0], url=url):
                print(advisory)
                found += 1
        except Unreachable as exc:
            print(f"could not be checked: {exc}")
            unchecked += 1
    print(f"{len(releases)} releases: {found} advisories, {unchecked} could not be checked")
    return VULNERABLE if found else UNCHECKED if unchecked else CLEAN


def main() -> int:
    files = [*ROOT.glob("requirements-*.lock"), *ROOT.glob("tests/*/requirements.lock")]
    return audit(locked(files))


if __name__ == "__main__":
    sys.exit(main())
