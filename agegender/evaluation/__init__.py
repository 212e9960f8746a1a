"""What a model is worth: figures from predictions."""
