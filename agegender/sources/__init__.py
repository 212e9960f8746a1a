"""Readers of face data sets: files on disk become one table of faces."""
