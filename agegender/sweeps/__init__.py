"""Sweeps: many jobs, each in processes of its own, with their states and scores in one table."""
