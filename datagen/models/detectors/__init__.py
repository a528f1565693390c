"""Detectors: where in a picture is what a phrase names."""
