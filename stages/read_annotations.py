"""Read the objects of a picture from SA-1B's masks."""

from __future__ import annotations

import json
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from datagen import Answer, Box, DataError, Failed, Map, Record, Reject, StageConfig
from datagen.core.fields import MOST_OBJECTS
from datagen.fetch import SCHEMES, read_file
from datagen.imaging.rle import RunLengthMask, parse_rle

# SA-1B's annotations have further keys, which nothing here needs
_LENIENT = with_config(ConfigDict(extra="ignore", strict=True))
_Side = Annotated[int, Field(gt=0, le=2**16)]


@_LENIENT
class _Segmentation(TypedDict):
    size: Annotated[list[_Side], Field(min_length=2, max_length=2)]
    counts: str | list[int]


@_LENIENT
class _Annotation(TypedDict):
    segmentation: _Segmentation
    predicted_iou: float
    stability_score: float


@_LENIENT
class _File(TypedDict):
    annotations: list[_Annotation]


_FILE = TypeAdapter(_File)


class _Found(NamedTuple):
    """A mask that may be an object."""

    runs: RunLengthMask
    box: Box
    share: float
    """Of the picture's pixels, from 0 to 1."""


class ReadAnnotations(Map):
    """Choose the whole objects among SA-1B's masks, which have every scale and no names.

    A mask is an object if its size is within the bounds, if the model that drew it was sure, and if it is no part: not
    mostly inside a larger mask that could be an object itself. Objects come in the order of the file, all under one
    label. Rejects a picture without any as `no_object`.
    """

    reads = ("annotation", "base")
    writes = ("objects",)
    rejects = ("no_object",)
    version = 1

    class Config(StageConfig):
        """What counts as an object."""

        ordered_pairs = (("min_area", "max_area"),)

        min_area: float = Field(default=0.005, ge=0, le=1)
        """Smallest share of the picture."""
        max_area: float = Field(default=0.5, ge=0, le=1)
        """Largest share of the picture; what is larger is background, and things on it are no parts of it."""
        max_inside: float = Field(default=0.8, gt=0, le=1)
        """Share of a mask that may lie in a larger object's; above, it is a part of that. 1 takes parts too."""
        min_predicted_iou: float = Field(default=0.88, ge=0, le=2)
        """Least `predicted_iou`; segment-anything's mask generator drops what is below 0.88."""
        min_stability: float = Field(default=0.95, ge=0, le=1)
        """Least `stability_score`; segment-anything's mask generator drops what is below 0.95."""
        label: Annotated[str, AfterValidator(str.strip)] = Field(default="object", min_length=1, max_length=1000)
        """What every object is called, until a stage names it."""
        schemes: tuple[str, ...] = SCHEMES
        """Kinds of address that may be read; none on the web."""
        max_bytes: int = Field(default=64_000_000, ge=1)
        """Largest annotation file."""

    config: Config

    def process(self, batch: list[Record]) -> list[Answer]:
        """Read each picture's file."""
        return [self._read(record) for record in batch]

    def _read(self, record: Record) -> Answer:
        config, uri = self.config, record["annotation"]
        try:
            data = read_file(uri, base=record["base"], schemes=config.schemes, max_bytes=config.max_bytes)
            annotations = _parsed(data)["annotations"]
            found = [self._found(annotation) for annotation in annotations]
        except DataError as error:
            return Failed(f"{uri:.300}: {error}")
        sized = [one for one in found if one is not None]
        if len(sized) > MOST_OBJECTS:
            return Failed(
                f"{uri:.300}: has {len(sized):,} masks that may be objects; at most {MOST_OBJECTS:,} are read"
            )
        whole = [one for one in sized if not any(self._is_part(one, other) for other in sized)]
        if not whole:
            detail = f"of {len(found)} masks, {len(found) - len(sized)} are too small, too large or unsure"
            return Reject("no_object", f"{detail}, and {len(sized)} are parts of others")
        return {"objects": [self._object(one) for one in whole]}

    def _found(self, annotation: _Annotation) -> _Found | None:
        """The mask if its size is within the bounds and its model was sure, else None. Raises `DataError`."""
        height, width = annotation["segmentation"]["size"]
        runs = parse_rle(annotation["segmentation"]["counts"], height=height, width=width)
        share, box, config = runs.area / (height * width), runs.box, self.config
        sure = annotation["predicted_iou"] >= config.min_predicted_iou
        sure = sure and annotation["stability_score"] >= config.min_stability
        if box is None or not sure or not config.min_area <= share <= config.max_area:
            return None
        return _Found(runs, box, share)

    def _is_part(self, one: _Found, other: _Found) -> bool:
        """Whether more than `max_inside` of a mask lies in a larger one."""
        # cheap tests first: a picture has about a hundred masks, so thousands of pairs
        if other.share <= one.share or not _touch(one.box, other.box) or not one.runs.fits(other.runs):
            return False
        return one.runs.shared(other.runs) > self.config.max_inside * one.runs.area

    def _object(self, one: _Found) -> dict[str, Any]:
        mask = {"size": [one.runs.height, one.runs.width], "counts": one.runs.counts.tolist()}
        return {"label": self.config.label, "box": list(one.box), "polygons": [], "mask": mask, "attributes": []}


def _touch(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _parsed(data: bytes) -> _File:
    """Parse an annotation file. Raises `DataError`."""
    try:
        return _FILE.validate_python(json.loads(data))
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(str(step) for step in fault["loc"]) or "the file"
        raise DataError(f"is none of SA-1B's annotations: '{where:.100}': {fault['msg']}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"is not valid JSON: {error}") from error
