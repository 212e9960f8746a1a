"""Loggers beyond those that Lightning ships."""
