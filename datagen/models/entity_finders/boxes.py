"""Objects that a caption names and that the source has boxes for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Literal

from datagen.core.fields import Box
from datagen.core.stage import Runtime
from datagen.models.base import ModelConfig
from datagen.models.entity_finders.base import CaptionedPicture, Entity, EntityFinder
from datagen.models.grammar import Span, find_mention, with_determiner


class BoxesConfig(ModelConfig):
    """Takes what the source has boxes of: annotated objects that the caption names, or words with boxes of their own.

    An object counts if the caption says its label as it stands, and no other object has that label: which
    of several coins is "a coin" nobody can tell.
    """

    kind: Literal["boxes"] = "boxes"
    needs: ClassVar[tuple[str, ...]] = ("objects",)

    def load(self, device: str, *, runtime: Runtime) -> EntityFinder:  # noqa: ARG002
        """The finder; it needs no device and no runtime."""
        return BoxEntityFinder()


class BoxEntityFinder:
    """Compares the words of captions and labels."""

    async def find(self, picture: CaptionedPicture, *, record: str) -> list[Entity]:  # noqa: ARG002
        """See `EntityFinder`. Labelled objects are used only if no words have boxes of their own."""
        found = _from_words(picture) if picture.grounding else _from_objects(picture)
        return sorted(found, key=lambda entity: entity.span)

    async def close(self) -> None:
        """Nothing to close."""


def _from_words(picture: CaptionedPicture) -> Iterator[Entity]:
    for words in picture.grounding:
        bare = Span(words["start"], words["end"])
        if span := with_determiner(picture.caption, bare):
            for box in words["boxes"]:
                yield Entity(picture.caption[bare.start : bare.end], span, _to_pixels(box, picture.size))


def _to_pixels(box: list[float], size: tuple[int, int]) -> Box:
    """A box with edges in 0 to 1, scaled to a picture of (width, height) in pixels."""
    (x0, y0, x1, y1), (width, height) = box, size
    return x0 * width, y0 * height, x1 * width, y1 * height


def _from_objects(picture: CaptionedPicture) -> Iterator[Entity]:
    for thing in objects_by_unique_label(picture.objects).values():
        if span := find_mention(picture.caption, thing["label"]):
            yield with_annotation(Entity(thing["label"], span), thing)


def objects_by_unique_label(objects: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Objects with a valid box and a label that no other object has, by their labels in lower case."""
    things = [(" ".join(str(thing["label"]).lower().split()), thing) for thing in objects]
    often = Counter(label for label, _ in things)
    return {label: thing for label, thing in things if often[label] == 1 and None not in thing["box"]}


def with_annotation(entity: Entity, thing: Mapping[str, Any]) -> Entity:
    """The entity with the box and outline of an annotated object."""
    x0, y0, x1, y1 = thing["box"]
    return entity._replace(box=(x0, y0, x1, y1), polygons=thing["polygons"], mask=thing["mask"] or {})
