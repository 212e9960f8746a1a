"""From a table of faces to batches: scan, duplicates, split, cache, augmentation, loading."""
