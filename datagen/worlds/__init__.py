"""Worlds: scenes and edits whose truth is known, rendered from a specification of a few numbers.

`specification` and `session` are what a source and a stage need; `scene` is what a renderer of scene graphs needs. All
of it is integer arithmetic over draws from Philox, so that a world has the same bytes on every machine.
"""
