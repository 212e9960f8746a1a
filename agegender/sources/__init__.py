"""Readers of face datasets: each reads files on disk into one table of faces."""
