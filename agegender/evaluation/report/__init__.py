"""The report of a test as one HTML page, its plots, and the model card."""
