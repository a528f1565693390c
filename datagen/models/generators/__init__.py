"""Generators: make a picture from a caption."""
