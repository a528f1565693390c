"""Scenes checked by a detector, and colours by an image-text scorer on what it found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from datagen.core.stage import Runtime
from datagen.imaging.image import Image, Pixels
from datagen.models.base import ModelConfig
from datagen.models.detectors import DetectorConfig
from datagen.models.detectors.base import Detection
from datagen.models.detectors.found_objects import non_maximum_suppression
from datagen.models.scene_checkers.base import RULES, JudgeRule, SceneChecker
from datagen.models.scorers import ScorerConfig
from datagen.models.scorers.base import ImageTextScorer
from datagen.models.segmenters import BoxSegmenterConfig
from datagen.models.segmenters.base import BoxPrompts
from datagen.scene_graphs.graph import SceneGraph
from datagen.scene_graphs.matching import AtomVerdict, SceneThing, same_label

_GREY = 153
"""What surrounds a thing in its crop; GenEval's #999."""
_TEMPLATES = ("a photo of a {colour} {label}", "a photo of a {colour}-colored {label}", "a photo of a {colour} object")
"""GenEval's words for a colour; the mean of their embeddings counts."""


class GroundingDinoCheckerConfig(ModelConfig):
    """A detector such as Grounding DINO boxes what the graph names; CLIP names the colour of each masked crop.

    Relations of position are judged by boxes. Attributes other than colours, and relations such as "behind", have no
    verdict. Which bound on scores is right depends on the detector: GenEval takes Mask2Former, 0.3, and 0.9 to count.
    """

    kind: Literal["grounding_dino"] = "grounding_dino"

    detector: DetectorConfig
    """The model that finds what labels name."""
    min_score: float = Field(ge=0, le=1)
    """Least score of a box, on this detector's scale."""
    max_overlap: float = Field(default=0.5, ge=0, le=1)
    """Of two boxes of one label that overlap more (intersection over union) the better one counts."""
    scorer: ScorerConfig | None = None
    """The model that names colours; null: colours have no verdict."""
    segmenter: BoxSegmenterConfig | None = None
    """The model that cuts a thing out of its box before its colour is named; null: the whole box is looked at."""
    colours: tuple[str, ...] = Field(
        default=("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white"), min_length=2
    )
    """Colours that are told apart, beside those that the graph names; the default has GenEval's."""
    rule: JudgeRule = "matched"
    """How boxes become verdicts: matched with the graph one to one, or as GenEval does; see `geneval.py`."""

    def load(self, device: str, *, runtime: Runtime) -> SceneChecker:  # noqa: ARG002 - it calls no service
        """The checker. Raises `SetupError` if a model cannot be loaded."""
        return GroundingDinoChecker(self, device=device)


class GroundingDinoChecker:
    """Looks for the labels of a graph, and for nothing else."""

    def __init__(self, config: GroundingDinoCheckerConfig, *, device: str) -> None:
        self._config = config
        self._detector = config.detector.load(device)
        self._scorer = config.scorer.load(device) if config.scorer else None
        self._segmenter = config.segmenter.load(device) if config.segmenter else None

    async def check(self, image: Image, graph: SceneGraph, *, record: str) -> list[AtomVerdict]:  # noqa: ARG002
        """See `SceneChecker`."""
        labels = [*dict.fromkeys(node.label for node in graph.objects)]
        found = self._detector([image.array], [labels])[0] if labels else []
        sure = [one for one in found if one.score >= self._config.min_score]
        best = [
            one
            for label in labels
            for one in non_maximum_suppression(
                [each for each in sure if each.label == label], max_overlap=self._config.max_overlap
            )
        ]
        colours = self._colours(image.array, graph, best)
        things = [
            SceneThing(one.label, one.box, {"colour": colours[n]} if n in colours else {}, one.score)
            for n, one in enumerate(best)
        ]
        return RULES[self._config.rule](graph, things)

    async def close(self) -> None:
        """Nothing to close."""

    def _colours(self, image: Pixels, graph: SceneGraph, found: Sequence[Detection]) -> dict[int, str]:
        """The colour of each thing of a label of which the graph says a colour, by its index."""
        coloured = [node for node in graph.objects if node.get("colour")]
        asked = [n for n, one in enumerate(found) if any(same_label(one.label, node.label) for node in coloured)]
        if not asked or self._scorer is None:
            return {}
        names = [*dict.fromkeys((*self._config.colours, *(node.get("colour") for node in coloured)))]
        crops = self._crops(image, [found[n] for n in asked])
        images_ND = self._scorer(crops)
        texts = {found[n].label: _texts(self._scorer, found[n].label, names) for n in asked}
        return {n: names[int(np.argmax(texts[found[n].label] @ images_ND[k]))] for k, n in enumerate(asked)}

    def _crops(self, image: Pixels, found: Sequence[Detection]) -> list[Pixels]:
        """Each thing in its box; what is beside it is grey, where there is a segmenter."""
        pictures = [image] * len(found)
        if self._segmenter is not None:
            [segmentations] = self._segmenter([BoxPrompts(image, [one.box for one in found])])
            masks = [each.mask for each in segmentations]
            pictures = [
                np.where(mask_HW[..., None], image, np.uint8(_GREY)) if mask_HW.any() else image for mask_HW in masks
            ]
        return [_crop(picture, one) for picture, one in zip(pictures, found, strict=True)]


def _crop(image: Pixels, found: Detection) -> Pixels:
    x0, y0, x1, y1 = found.box
    left, top = int(x0), int(y0)
    cut = image[top : max(top + 1, int(np.ceil(y1))), left : max(left + 1, int(np.ceil(x1)))]
    return np.ascontiguousarray(cut)


def _texts(
    scorer: ImageTextScorer, label: str, colours: Sequence[str]
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """An embedding (N, D) of length 1 for each colour of a thing: the mean over the templates."""
    texts = [template.format(colour=colour, label=label) for colour in colours for template in _TEMPLATES]
    means_ND = scorer.texts(texts).reshape(len(colours), len(_TEMPLATES), -1).mean(axis=1)
    return np.asarray(means_ND / np.linalg.norm(means_ND, axis=1, keepdims=True), np.float32)
