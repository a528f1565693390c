"""Files on any fsspec address: atomic writes, append-only logs, and I/O off the event loop."""
