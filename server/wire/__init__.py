"""What clients get: a wire writes deltas and finishes in the form of one API."""
