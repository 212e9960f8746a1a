"""Drawn faces with known labels, for tests and first runs without any data."""
