"""Networks from uint8 images to the outputs of the heads: pure torch.nn, no Lightning, exportable."""
