"""What waits for a person: runs write it onto a sheet, and read what the person decided."""

from datagen.review.sheet import Waiting, update

__all__ = ["Waiting", "update"]
