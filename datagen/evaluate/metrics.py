"""Numbers of one output: by pixels, and by pretrained networks of which each keeps its own name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from datagen.core.errors import SetupError
from datagen.evaluate.cases import Case
from datagen.evaluate.config import EvaluationConfig
from datagen.evaluate.results import MetricInfo
from datagen.imaging.image import Mask, Pixels
from datagen.models.dense_encoders.efficientnet_lite import EfficientNetLiteConfig
from datagen.models.embedders.base import ImageEmbedder
from datagen.models.embedders.dino import DinoConfig, Dinov2Config
from datagen.models.perceptual_distances.base import PerceptualDistance
from datagen.models.perceptual_distances.lpips import LEAST_SIDE, LpipsConfig
from datagen.models.scorers.base import ImageTextScorer
from datagen.models.scorers.clip import ClipConfig

L1, L2, L1_SOURCE = "L1", "L2", "L1 to source"
L1_INSIDE, BACKGROUND = "L1 in boxes", "background error"
_AS_COMPARED: Final = "at the size of judgement; an output of another size is scaled (area or bicubic)"

_UNCHANGED: Final = 1e-4
"""Length below which a change of a unit embedding is rounding."""

Numbers = dict[str, float]


def pixel_metrics(boxes: str) -> list[MetricInfo]:
    """What `pixel_numbers` gives; `boxes` says whose they are."""

    def about(
        name: str,
        doc: str,
        reference: str,
        *,
        unit: str = "0 to 1",
        better: Literal["lower", "neither"] = "lower",
        needs: str = "",
    ) -> MetricInfo:
        return MetricInfo(
            name=name, doc=doc, reference=reference, better=better, unit=unit, preprocessing=_AS_COMPARED, needs=needs
        )

    known = "boxes of all of its edits"

    return [
        about(L1, "mean absolute difference", "target"),
        about(L2, "mean squared difference", "target"),
        about(L1_SOURCE, "mean absolute difference: how much was changed, 0 for a copy", "source", better="neither"),
        about(L1_INSIDE, "mean absolute difference of the pixels that a box touches", f"target, {boxes}", needs=known),
        about(
            BACKGROUND,
            "mean absolute difference of the pixels that no box touches",
            f"source, {boxes}",
            unit="levels of 255",
            needs=known,
        ),
    ]


def pixel_numbers(case: Case, output_HWC: Pixels, inside_HW: Mask | None) -> Numbers:
    """By pixels; `inside_HW` is what the boxes touch, None where they are not known."""
    output, target, source = (
        picture.astype(np.float32) for picture in (output_HWC, case.example.target, case.example.source)
    )
    apart = np.abs(output - target)
    found = {
        L1: float(apart.mean()) / 255,
        L2: float(np.square(apart).mean()) / 255**2,
        L1_SOURCE: float(np.abs(output - source).mean()) / 255,
    }
    if inside_HW is not None and inside_HW.any():
        found[L1_INSIDE] = float(apart[inside_HW].mean()) / 255
    if inside_HW is not None and not inside_HW.all():
        found[BACKGROUND] = float(np.abs(output - source)[~inside_HW].mean())
    return found


class References(NamedTuple):
    """Embeddings of a batch: each N,D."""

    source: NDArray[np.float32]
    target: NDArray[np.float32]
    words: Mapping[str, NDArray[np.float32]] = {}
    """Of captions, by the text."""

    def at(self, places: Sequence[int]) -> References:
        """Those of some samples of the batch."""
        return self._replace(source=self.source[places], target=self.target[places])


class Network(Protocol):
    """Numbers by one pretrained network."""

    @property
    def metrics(self) -> Sequence[MetricInfo]:
        """What it gives."""
        ...

    def references(self, cases: Sequence[Case]) -> References:
        """What is computed once for all subjects."""
        ...

    def numbers(self, cases: Sequence[Case], outputs: Sequence[Pixels], references: References) -> list[Numbers]:
        """The numbers of each output; what means nothing of a sample is not there."""
        ...


class PictureCosines:
    """Cosines of embeddings of pictures."""

    def __init__(self, name: str, embedder: ImageEmbedder, *, model: str, preprocessing: str) -> None:
        self._embedder, self._names = embedder, (name, f"{name} to source")
        self.metrics: Sequence[MetricInfo] = [
            MetricInfo(
                name=metric,
                doc="cosine of the embeddings of output and reference",
                reference=reference,
                better="higher" if reference == "target" else "neither",
                unit="-1 to 1",
                model=model,
                preprocessing=preprocessing,
            )
            for metric, reference in zip(self._names, ("target", "source"), strict=True)
        ]

    def references(self, cases: Sequence[Case]) -> References:
        """See `Network`."""
        found = self._embedder([*(case.example.source for case in cases), *(case.example.target for case in cases)])
        return References(found[: len(cases)], found[len(cases) :])

    def numbers(self, cases: Sequence[Case], outputs: Sequence[Pixels], references: References) -> list[Numbers]:
        """See `Network`."""
        rows = embedded(self._embedder, cases, outputs, references)
        return [self.numbers_of(place, row, references) for place, row in enumerate(rows)]

    def numbers_of(self, place: int, row: NDArray[np.float32], references: References) -> Numbers:
        """The numbers of one output, whose embedding is `row`, for the sample at a place of the batch."""
        cosines = float(row @ references.target[place]), float(row @ references.source[place])
        return dict(zip(self._names, cosines, strict=True))


def embedded(
    embedder: ImageEmbedder, cases: Sequence[Case], outputs: Sequence[Pixels], references: References
) -> list[NDArray[np.float32]]:
    """The embedding of each output; that of a baseline which returns source or target is known already."""
    known: dict[int, NDArray[np.float32]] = {}
    for place, (case, output) in enumerate(zip(cases, outputs, strict=True)):
        if output is case.example.source:
            known[place] = references.source[place]
        elif output is case.example.target:
            known[place] = references.target[place]
    new = [place for place in range(len(outputs)) if place not in known]
    rows = embedder([outputs[place] for place in new]) if new else ()
    known |= zip(new, rows, strict=True)
    return [known[place] for place in range(len(outputs))]


class ClipScores:
    """CLIP-I, CLIP-T and the CLIP direction."""

    def __init__(self, scorer: ImageTextScorer, *, model: str) -> None:
        self._scorer = scorer
        preprocessing = "the processor saved with the weights; texts in lower case, cut after the tokens that it reads"
        self._pictures = PictureCosines("CLIP-I", scorer, model=model, preprocessing=preprocessing)

        def about(name: str, doc: str, reference: str, *, needs: str) -> MetricInfo:
            return MetricInfo(
                name=name,
                needs=needs,
                doc=doc,
                reference=reference,
                better="higher",
                unit="-1 to 1",
                model=model,
                preprocessing=preprocessing,
            )

        self.metrics: Sequence[MetricInfo] = [
            *self._pictures.metrics,
            about(
                "CLIP-T",
                "cosine of the embeddings of output and caption",
                "caption of the target",
                needs="a caption of its target",
            ),
            about(
                "CLIP direction",
                "cosine of what the picture changed by and what the caption changed by",
                "source, captions of source and target",
                needs="captions of source and target that differ",
            ),
        ]

    def references(self, cases: Sequence[Case]) -> References:
        """See `Network`."""
        texts = [*dict.fromkeys(text for case in cases for text in case.captions.values() if text)]
        rows = self._scorer.texts(texts) if texts else np.zeros((0, 0), np.float32)
        return self._pictures.references(cases)._replace(words=dict(zip(texts, rows, strict=True)))

    def numbers(self, cases: Sequence[Case], outputs: Sequence[Pixels], references: References) -> list[Numbers]:
        """See `Network`."""
        rows = embedded(self._scorer, cases, outputs, references)
        return [self._of(place, case, rows[place], references) for place, case in enumerate(cases)]

    def _of(self, place: int, case: Case, row: NDArray[np.float32], references: References) -> Numbers:
        found = self._pictures.numbers_of(place, row, references)
        before, after = (references.words.get(case.captions[side]) for side in ("source", "target"))
        if after is not None:
            found["CLIP-T"] = float(row @ after)
        if before is not None and after is not None and case.captions["source"] != case.captions["target"]:
            found["CLIP direction"] = _cosine(row - references.source[place], after - before)
        return found


def _cosine(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """0 where one of them is all but zero, as the direction of an unchanged picture, which is rounding."""
    lengths = float(np.linalg.norm(one)), float(np.linalg.norm(other))
    return float(one @ other) / (lengths[0] * lengths[1]) if min(lengths) > _UNCHANGED else 0.0


class LpipsDistance:
    """LPIPS to the target."""

    def __init__(self, distance: PerceptualDistance, *, model: str) -> None:
        self._distance = distance
        self.metrics: Sequence[MetricInfo] = [
            MetricInfo(
                name="LPIPS",
                doc="distance of deep features (AlexNet, version 0.1)",
                reference="target",
                better="lower",
                model=model,
                preprocessing=_AS_COMPARED,
                needs=f"sides of {LEAST_SIDE} px",
            )
        ]

    def references(self, cases: Sequence[Case]) -> References:
        """See `Network`."""
        none = np.zeros((len(cases), 0), np.float32)
        return References(none, none)

    def numbers(self, cases: Sequence[Case], outputs: Sequence[Pixels], references: References) -> list[Numbers]:  # noqa: ARG002
        """See `Network`."""
        large = [place for place, output in enumerate(outputs) if min(output.shape[:2]) >= LEAST_SIDE]
        found = self._distance([outputs[place] for place in large], [cases[place].example.target for place in large])
        by_place = dict(zip(large, found, strict=True))
        return [{"LPIPS": by_place[place]} if place in by_place else {} for place in range(len(outputs))]


def _clip(config: ClipConfig, device: str) -> Network:
    return ClipScores(config.load(device), model=config.revision)


def _dino(config: DinoConfig, device: str) -> Network:
    preprocessing = "shorter side to 256, bicubic, centre crop of 224 (as much for a model of another size)"
    return PictureCosines("DINO", config.load(device), model=config.revision, preprocessing=preprocessing)


def _dinov2(config: Dinov2Config, device: str) -> Network:
    preprocessing = "the processor saved with the weights"
    return PictureCosines("DINOv2", config.load(device), model=config.revision, preprocessing=preprocessing)


def _effnet(config: EfficientNetLiteConfig, device: str) -> Network:
    preprocessing = f"both sides stretched to {config.side}, bicubic; mean of the last features"
    return PictureCosines("EffNet-I", config.load(device), model=config.revision, preprocessing=preprocessing)


def _lpips(config: LpipsConfig, device: str) -> Network:
    return LpipsDistance(config.load(device), model=config.revision)


_LOADERS: Mapping[str, tuple[str, Callable[[Any, str], Network]]] = {
    "clip": ("CLIP-I, CLIP-T, CLIP direction", _clip),
    "dino": ("DINO", _dino),
    "dinov2": ("DINOv2", _dinov2),
    "effnet": ("EffNet-I", _effnet),
    "lpips": ("LPIPS", _lpips),
}
"""What each option of `EvaluationConfig` gives, and how."""


def load_networks(config: EvaluationConfig, *, device: str) -> tuple[list[Network], dict[str, str]]:
    """The networks whose weights are there, and, by metric, why the others are not measured."""
    networks: list[Network] = []
    missing: dict[str, str] = {}
    for option, (names, load) in _LOADERS.items():
        chosen = getattr(config, option)
        if chosen is None:
            missing[names] = f"no weights are named; give --set {option}.weights=FOLDER, or a config"
            continue
        try:
            networks.append(load(chosen, device))
        except SetupError as error:
            missing[names] = str(error)
    return networks, missing
