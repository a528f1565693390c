"""Runs graphs: slices, workers, engines, ledgers and fingerprints."""
