"""What is judged: trained models, folders of outputs, and baselines that need no model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from datagen.core.errors import ConfigError, DataError, DatagenError
from datagen.evaluate.cases import Case, CaseFacts
from datagen.imaging.image import Image, Pixels
from datagen.train.data.framing import Size
from datagen.train.editing import FACTS, MODEL, TrainedModel, load_model
from datagen.train.gradients import device_of

COPY: Final = "copy"
"""The baseline that returns the source; a word on the command line too."""
TARGET: Final = "target"
"""The sample's own target: what a number would be of a perfect output."""
_ENDINGS: Final = (".png", ".jpg", ".jpeg", ".webp")
_NAMED: Final = 5
"""Strange files that are named."""

SubjectKind = Literal["model", "outputs", "baseline"]


class Subject(Protocol):
    """Gives an output for each sample."""

    @property
    def name(self) -> str:
        """What it is called in results."""
        ...

    @property
    def kind(self) -> SubjectKind:
        """What it is."""
        ...

    def about(self) -> dict[str, Any]:
        """Facts of it, for the results: where it is, and what was strange."""
        ...

    def output(self, case: Case) -> Pixels:
        """Its output, HWC uint8. Raises `DataError` if it has none."""
        ...


@dataclass
class ModelSubject:
    """A trained model, which edits each source by its words and boxes."""

    name: str
    place: str
    model: TrainedModel
    kind: SubjectKind = "model"

    @property
    def sizes(self) -> Sequence[Size]:
        """Sizes that it edits at."""
        return self.model.sizes

    def about(self) -> dict[str, Any]:
        """See `Subject`."""
        return {"path": self.place, "family": self.model.family.kind}

    def output(self, case: Case) -> Pixels:
        """See `Subject`."""
        try:
            return self.model.edit(case.example)
        except (ValueError, RuntimeError) as error:  # what a pipeline raises of one picture
            raise DataError(f"the model cannot edit it: {error}") from error


@dataclass
class OtherWords:
    """A model that gets another sample's words: how much of its score does not come from the text."""

    model: ModelSubject
    partners: Mapping[str, CaseFacts]
    """The sample whose words are taken, by key."""
    kind: SubjectKind = "baseline"

    @property
    def name(self) -> str:
        """See `Subject`."""
        return f"{self.model.name}, other text"

    def about(self) -> dict[str, Any]:
        """See `Subject`."""
        return {"model": self.model.name, "words": "of another sample, with as many edits where there is one"}

    def output(self, case: Case) -> Pixels:
        """See `Subject`."""
        partner = self.partners.get(case.key)
        if partner is None:
            raise DataError("no other sample has other words")
        facts = partner.facts
        texts = [part.text for part in facts.parts if part.text]
        return self.model.output(case.with_words(facts.text or facts.instruction, texts))


def other_words(cases: Sequence[CaseFacts]) -> dict[str, CaseFacts]:
    """For each sample the next one with other words: of as many edits and another source if there is one."""
    words = [_words(case) for case in cases]
    highest = 3 if len({case.original for case in cases}) > 1 else 2

    def rank(place: int, other: int) -> int:
        if words[other] == words[place]:
            return 0
        if len(cases[other].facts.parts) != len(cases[place].facts.parts):
            return 1
        return 2 if cases[other].original == cases[place].original else 3

    def partner(place: int) -> CaseFacts | None:
        best, most = None, 0
        for other in chain(range(place + 1, len(cases)), range(place)):
            if (found := rank(place, other)) > most:
                best, most = cases[other], found
            if most == highest:
                break
        return best

    found = {case.facts.key: partner(place) for place, case in enumerate(cases)}
    return {key: case for key, case in found.items() if case is not None}


def _words(case: CaseFacts) -> list[str]:
    return [case.facts.text or case.facts.instruction, *(part.text for part in case.facts.parts)]


@dataclass
class OutputFolder:
    """A folder of outputs, KEY.png (or jpg, webp) by the keys of the dataset."""

    name: str
    folder: Path
    keys: frozenset[str]
    """Of the samples that are judged on."""
    known: frozenset[str]
    """All keys of the dataset: an output of another sample is not strange."""
    kind: SubjectKind = "outputs"
    files: dict[str, Path] = field(default_factory=dict)
    strange: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for path in sorted(self.folder.iterdir()):
            if path.suffix.lower() in _ENDINGS and path.stem in self.known and path.stem not in self.files:
                self.files[path.stem] = path
            else:
                self.strange.append(path.name)
        if not self.keys & self.files.keys():
            example = min(self.keys)
            raise ConfigError(
                f"{self.folder}: none of its {len(self.strange) + len(self.files)} files is an output of a sample that "
                f"is judged; they are named by key, such as {example}.png"
            )

    def about(self) -> dict[str, Any]:
        """See `Subject`."""
        shown = self.strange[:_NAMED]
        return {"path": str(self.folder), "strange_files": len(self.strange), "strange_files_named": shown}

    def output(self, case: Case) -> Pixels:
        """See `Subject`."""
        path = self.files.get(case.key)
        if path is None:
            raise DataError("there is no output of it")
        try:
            return Image.decode(path.read_bytes()).array
        except (DatagenError, OSError) as error:
            raise DataError(f"{path.name} cannot be read: {error}") from error


class CopySubject:
    """The source itself: an editor that does nothing."""

    name = COPY
    kind: SubjectKind = "baseline"

    def about(self) -> dict[str, Any]:
        """See `Subject`."""
        return {"output": "the source"}

    def output(self, case: Case) -> Pixels:
        """See `Subject`."""
        return case.example.source


class TargetSubject:
    """The sample's own target."""

    name = TARGET
    kind: SubjectKind = "baseline"

    def about(self) -> dict[str, Any]:
        """See `Subject`."""
        return {"output": "the sample's target"}

    def output(self, case: Case) -> Pixels:
        """See `Subject`."""
        return case.example.target


def is_model(place: str) -> bool:
    """Whether a path is a folder that `train` saved a model in."""
    return any((Path(place) / part / FACTS).exists() for part in ("", MODEL))


def load_models(places: Sequence[str], *, device: str) -> dict[str, ModelSubject]:
    """The models among what is judged, by their places. Raises `ConfigError`."""
    names = dict(zip(places, unique_names(places), strict=True))
    return {
        place: ModelSubject(names[place], place, load_model(place, device=device_of(device)))
        for place in places
        if is_model(place)
    }


def check_places(places: Sequence[str]) -> None:
    """Raise `ConfigError` for what can be neither a model nor a folder of outputs, or stands twice."""
    for place in places:
        if places.count(place) > 1:
            raise ConfigError(f"{place}: stands twice; name each model or folder once")
        if place != COPY and not Path(place).is_dir():
            what = "is a file" if Path(place).exists() else "does not exist"
            raise ConfigError(
                f"{place}: {what}; judged are folders of models, as `python -m datagen train` saves them, folders of "
                f"outputs KEY.png, and the word {COPY}"
            )


def unique_names(places: Sequence[str]) -> list[str]:
    """Short names: the last part of each path that tells it from the others."""

    def shortened(place: str, parts: int) -> str:
        return "/".join(Path(place).parts[-parts:]) or place

    def name(place: str) -> str:
        longest = len(Path(place).parts)
        for parts in range(1, longest + 1):
            found = shortened(place, parts)
            others = (shortened(other, parts) for other in places if other != place)
            if found not in others and found not in (COPY, TARGET, MODEL):
                return found
        return str(Path(place).resolve())

    return [COPY if place == COPY else name(place) for place in places]


def iter_subjects(
    places: Sequence[str],
    models: Mapping[str, ModelSubject],
    *,
    cases: Sequence[CaseFacts],
    known: frozenset[str],
) -> Iterator[Subject]:
    """All that is judged: first what was named, then the baselines. Raises `ConfigError`."""
    keys = frozenset(case.facts.key for case in cases)
    for place, name in zip(places, unique_names(places), strict=True):
        if place in models:
            yield models[place]
        elif place != COPY:
            yield OutputFolder(name, Path(place), keys, known)
    if models:
        partners = other_words(cases)
        yield from (OtherWords(model, partners) for model in models.values())
    yield CopySubject()
    yield TargetSubject()
