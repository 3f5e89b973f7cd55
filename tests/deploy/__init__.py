"""Tests, one module a product module."""
