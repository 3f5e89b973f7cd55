"""Known vulnerabilities of what the lock files name, by PyPI's own advisories: `make audit`."""
