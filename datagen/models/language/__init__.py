"""Language models: text and pictures in, an answer of a known shape out."""
