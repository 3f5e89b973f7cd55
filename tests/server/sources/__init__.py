"""Where an adapter may come from."""
