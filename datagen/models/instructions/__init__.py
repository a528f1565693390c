"""Instruction writers: an edit in words."""
