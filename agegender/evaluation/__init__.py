"""Metrics of one model on one set of faces, and their pictures."""
