"""Segmenters: which pixels of a box are the object."""
