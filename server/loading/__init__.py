"""From --model and --adapter to directories that the engine can load."""
