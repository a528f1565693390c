"""Datasets of edits: a source picture, a target picture, and what was asked for."""
