"""The configuration: composing, validating and building objects from it."""
