"""Human review: a run adds the records that wait for a decision to a sheet, and reads the decisions from it."""

from datagen.review.sheet import Waiting, update

__all__ = ["Waiting", "update"]
