"""Split a picture of two panels into pairs of reference and target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from datagen import Children, DataError, Expand, Failed, Record, Reject, StageConfig, Threshold
from datagen.imaging.image import Image

Side = Literal["left", "right"]
_SIDES: tuple[Side, ...] = ("left", "right")
_RATINGS = {
    "composite_structure": "compositeStructure",
    "object_consistency": "objectConsistency",
    "image_quality": "imageQuality",
}


class SplitPanels(Expand):
    """Make a record of each panel: the panel is the target, and the other panel its reference.

    OminiControl trains on Subjects200K in this way. Panels are squares side by side, with equal padding around and
    between them. Rejects as `low_rating` a pair that its dataset rates below `min_rating`, as `unrated` one that it
    does not rate, and as `invalid` one that it marks as no pair.
    """

    reads = ("image", "panels")
    writes = ("target", "refs", "subject", "target_caption", *_RATINGS)
    rejects = ("low_rating", "unrated", "invalid")
    thresholds = tuple(Threshold(name, "least", "min_rating", "low_rating") for name in _RATINGS)
    version = 1

    class Config(StageConfig):
        """Which pairs, and where their panels are."""

        min_rating: float = Field(default=5, ge=0, le=10)
        """Least of each of the dataset's three ratings; its authors keep 5 of 5."""
        targets: tuple[Side, ...] = Field(default=_SIDES, min_length=1)
        """Which panels are targets."""
        padding: int | None = Field(default=None, ge=0, le=1000)
        """Pixels around and between the panels; null: what a picture's own size tells."""

    config: Config

    def process(self, batch: list[Record]) -> list[Children]:
        """Each picture's pairs."""
        return [self._split(record["image"], record["panels"]) for record in batch]

    def _split(self, image: Image, panels: Mapping[str, Any]) -> Children:
        found = {name: panels["ratings"].get(key) for name, key in _RATINGS.items()}
        if rejection := self._judge(found, panels):
            return rejection
        try:
            sides = _panels(image, self.config.padding)
        except DataError as error:
            return Failed(str(error))
        return [
            {
                "target": sides[index],
                "refs": [sides[1 - index]],
                "subject": panels["item"],
                "target_caption": panels["captions"][index],
                **found,
            }
            for index, side in enumerate(_SIDES)
            if side in self.config.targets
        ]

    def _judge(self, found: Mapping[str, float | None], panels: Mapping[str, Any]) -> Reject | None:
        rated = {name: value for name, value in found.items() if value is not None}
        if not panels["valid"]:
            return Reject("invalid", "its dataset says that its descriptions are not valid", rated)
        if len(rated) < len(found):
            return Reject("unrated", f"there is no {', '.join(sorted(set(found) - set(rated)))}", rated)
        low = [f"{name} {value:g}" for name, value in rated.items() if value < self.config.min_rating]
        return Reject("low_rating", f"{', '.join(low)} < {self.config.min_rating:g}", rated) if low else None


def _panels(image: Image, padding: int | None) -> list[Image]:
    """The left and the right panel. Raises `DataError` if the picture cannot hold two squares."""
    width, height = image.size
    # width = 2 * side + 3 * around and height = side + 2 * around, solved for `around`
    around = 2 * height - width if padding is None else padding
    side = height - 2 * around
    if around < 0 or side < 1 or 2 * side + 2 * around > width:
        hint = "two squares with even padding are wanted" if padding is None else f"`padding` is {padding}"
        raise DataError(f"the picture is {width}x{height}, which is not of two panels: {hint}")
    lefts = (around, side + 2 * around)
    return [Image.of(image.array[around : around + side, left : left + side].copy()) for left in lefts]
