"""endturn beside vLLM's own server: the same requests to both, and what came of each (`python -m tests.conformance`)."""
