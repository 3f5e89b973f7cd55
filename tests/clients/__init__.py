"""Clients that people use, against a real server on the real engine: `make clients`. Each is a script that runs in their own environment."""
