"""Several processes for one job: what a rank knows, and who starts and ends ranks."""
