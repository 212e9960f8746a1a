"""Metrics of predicted age and gender, their registry, and statistics of their differences."""
