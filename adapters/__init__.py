"""What an adapter is, and how a raw one becomes a chat one. Never imports `server`."""
