"""The `endturn` command: its subcommands, their options, and what they print when something is wrong."""

from .app import main

__all__ = ["main"]
