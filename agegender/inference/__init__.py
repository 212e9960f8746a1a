"""Prediction with a trained model: from a run directory, or from an exported bundle without torch."""
