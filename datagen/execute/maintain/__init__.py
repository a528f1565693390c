"""Care for a finished run: verify, repair and garbage collection."""
