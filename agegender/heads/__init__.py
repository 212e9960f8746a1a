"""Output heads: each owns its layer, its loss and how it is read; one head a file."""
