"""Texts that the loop guard must stop, and texts that it must let pass."""
