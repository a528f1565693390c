"""Captioners: one sentence that says what a picture shows."""
