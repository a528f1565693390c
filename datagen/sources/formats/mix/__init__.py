"""Several finished datasets as one source."""
