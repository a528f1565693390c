"""Subject namers: a name for a cut-out subject."""
