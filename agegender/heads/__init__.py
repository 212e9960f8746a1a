"""Output heads for age and gender: each head owns its output layer, its loss and its prediction."""
