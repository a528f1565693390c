"""Families of models: each says what it needs of a sample, how it learns, and how it becomes a pipeline."""
