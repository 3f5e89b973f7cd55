"""How the demo adapter was made: its data and its training."""
