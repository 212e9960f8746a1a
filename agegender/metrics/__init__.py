"""Measures of age and gender estimates: numbers in, numbers out."""
