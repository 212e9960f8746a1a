"""From a table of faces to batches: scan, duplicates, splits, image cache, augmentation, data loading."""
