"""Measures a pipeline on drawn sessions, whose truth is known, and says how far each answer can be trusted.

`measure` runs the pipeline and joins its ledger and its samples with the truth, by session and turn numbers; the truth
is rendered again from the source's rows, as no stage and no file of a run has it.
"""

from datagen.measure.measurement import measure

__all__ = ["measure"]
