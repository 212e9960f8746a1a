"""Run directories: every file name and format, written and read in one place."""
