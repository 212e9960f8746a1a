"""Train, compare, audit and ship models that estimate age and gender from faces."""

__version__ = "0.1.0"
