"""The parsers that read untrusted bytes, fed with bytes that nobody meant: `make fuzz`, and a short replay in the gate."""
