"""Readers of published datasets, each in its own layout, and of finished datasets of our own."""
