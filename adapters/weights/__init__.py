"""The weights of an adapter: what they are, whether they fit the base, and the way trained rows and other kinds go."""
