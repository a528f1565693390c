"""Language models: they take text and pictures, and return an answer of a given shape."""
