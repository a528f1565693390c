"""Completeness judges: whether a cut-out subject is a whole object."""
