"""Comparison of several trained models: finding runs, rows, differences, papers, tables."""
