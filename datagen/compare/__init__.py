"""Comparison of two datasets: gained, lost and changed records, and differences of configs and scores."""
