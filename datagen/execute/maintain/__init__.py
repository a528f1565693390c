"""Maintenance of an OUT: verify, repair and garbage collection."""
