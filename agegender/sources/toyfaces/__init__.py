"""Drawn faces with known labels, for tests and for first runs without a dataset."""
