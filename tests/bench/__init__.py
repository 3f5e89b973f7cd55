"""The benchmarks: commands, never part of the gate."""
