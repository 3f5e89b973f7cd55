"""The causes of runaway generation as adapters that a real engine runs: one scripted base, one adapter a case."""
