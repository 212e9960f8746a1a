"""Networks that map uint8 images to the outputs of the heads, in plain PyTorch without Lightning; they can be exported."""
