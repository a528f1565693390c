"""A pipeline's config: its pydantic models, and how it is loaded from a file, a profile and `--set`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    ValidationError,
    field_validator,
    model_validator,
)

from datagen.core.errors import ConfigError, nearest
from datagen.core.options import Options
from datagen.core.redact import is_misplaced_key, is_secret_option, register_variables, secret_in, variables_named_in
from datagen.pipeline.validation_errors import explain
from datagen.pipeline.yaml_file import Located, Place, parse_yaml, read_yaml
from datagen.shards.options import OutputOptions
from datagen.sources.config import SourceConfig

M = TypeVar("M", bound=BaseModel)
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,47}$")]
Scalar = bool | int | float | str


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


Names = Annotated[tuple[Name, ...], BeforeValidator(_as_list)]
Condition = dict[str, Annotated[tuple[Scalar, ...], BeforeValidator(_as_list)]]
DEFAULT_PROFILE = "embedded"


class Replicas(Options):
    """How many workers an operator may have."""

    min: int = Field(default=1, ge=1)
    """Workers that are started at once."""
    max: int | None = Field(default=None, ge=1)
    """Workers at the most; what the machine holds, if not given."""

    @model_validator(mode="after")
    def _ordered(self) -> Replicas:
        if self.max is not None and self.max < self.min:
            raise ValueError(f"max ({self.max}) is less than min ({self.min})")
        return self


class Resources(Options):
    """What a stage's worker takes, and how fast it is fed. Never changes the output."""

    cpus: float | None = Field(default=None, gt=0)
    """Cores that a worker reserves; if not given, 1, and none where it waits for a GPU or a service."""
    gpus: float = Field(default=0, ge=0)
    """GPUs that a worker reserves: a fraction up to 1, or a whole number."""
    batch_size: int = Field(default=16, ge=1)
    """Records handed to the stage at once."""
    concurrency: int = Field(default=32, ge=1)
    """Calls in flight in one worker, for stages that wait for a service."""
    replicas: Replicas = Replicas()
    """Workers of this stage."""
    timeout_s: float | None = Field(default=None, gt=0)
    """Seconds that one call may take, for all records of its batch; what hangs is found, and fails alone."""

    @field_validator("gpus")
    @classmethod
    def _whole_above_one(cls, gpus: float) -> float:
        if gpus > 1 and gpus != int(gpus):
            raise ValueError(f"{gpus} GPUs: above 1 only whole numbers can be reserved")
        return gpus


class StageEntry(Options):
    """One use of a stage."""

    use: Name
    """The stage's name, that of its file."""
    id: Name = ""
    """What this use is called; the stage's name, if not given."""
    after: Names | None = None
    """Uses it follows; the one above it in the file, if not given."""
    when: Condition = Field(default={}, max_length=1)
    """Run only for records whose one named field equals this, or is among these."""
    map: dict[str, str] = {}
    """The stage's field names on the left, this pipeline's on the right."""
    with_: dict[str, Any] = Field(default={}, alias="with")
    """The stage's options."""
    resources: Resources = Resources()
    """What its worker takes."""
    durable: bool | None = None
    """Keep its answers for later runs; by default if it calls a model, a GPU or a service, or is not deterministic."""


class Repeat(Options):
    """Stages run again until they succeed: generate, judge, try again."""

    times: int = Field(ge=2, le=20)
    """Rounds at the most."""
    until: Condition = Field(min_length=1, max_length=1)
    """No further round for records whose named field equals this, or is among these."""
    stages: tuple[StageEntry, ...] = Field(min_length=1)
    """The stages of one round. All rounds share their workers, and the models that these load."""


class RepeatEntry(Options):
    """A block of stages that is unrolled."""

    repeat: Repeat
    """The rounds."""


def _kind_of_entry(value: Any) -> str:
    return "block" if isinstance(value, RepeatEntry) or (isinstance(value, dict) and "repeat" in value) else "stage"


Entry = Annotated[
    Annotated[StageEntry, Tag("stage")] | Annotated[RepeatEntry, Tag("block")], Discriminator(_kind_of_entry)
]


class Override(Options):
    """What a profile changes of one stage."""

    with_: dict[str, Any] = Field(default={}, alias="with")
    """Options put over the stage's own."""
    resources: dict[str, Any] = {}
    """Resources put over the stage's own."""


class Profile(Options):
    """A named choice of models; the stages stay the same."""

    stages: dict[str, Override] = {}
    """What changes, by the id of the stage."""
    leaves_out: tuple[Name, ...] = ()
    """Stages that do not run in this profile, by id; what follows them follows what was before them."""
    gpu_memory_gb: float | None = Field(default=None, gt=0)
    """Memory of each GPU that the profile is meant for, in GiB; what cannot fit is refused before it runs."""
    unchecked: tuple[str, ...] = ()
    """What the paper checks and this profile cannot; each sample lists it."""


class Pipeline(Options):
    """A whole config file."""

    pipeline: Name
    """Its name, which its output folder remembers."""
    description: str = ""
    """What it makes, for the dataset card."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Seeds every random choice of stages, split and shuffle."""
    plugins: tuple[str, ...] = ()
    """Packages of further stages, each importable, one stage a module."""
    source: SourceConfig
    """Where records come from."""
    slice_size: int = Field(default=64, ge=1, le=100_000)
    """Source records that are scheduled and committed together."""
    profiles: dict[str, Profile] = {}
    """Choices of models by name; the only one is the default, else `embedded`."""
    stages: tuple[Entry, ...] = Field(min_length=1)
    """What happens to the records, in order."""
    output: OutputOptions = OutputOptions()
    """How samples are stored, split and packed."""


class Loaded(NamedTuple):
    """A validated config, its profile, and where each value was written."""

    pipeline: Pipeline
    profile: str
    located: Located

    @property
    def unchecked(self) -> tuple[str, ...]:
        """What the chosen profile cannot check."""
        profile = self.pipeline.profiles.get(self.profile)
        return profile.unchecked if profile else ()

    @property
    def leaves_out(self) -> tuple[str, ...]:
        """Stages that the chosen profile does not run."""
        profile = self.pipeline.profiles.get(self.profile)
        return profile.leaves_out if profile else ()


def load(path: Path, *, profile: str = "", sets: Iterable[str] = ()) -> Loaded:
    """Read a config, apply the profile, then each `a.b=c` of `sets`, and validate. Raises `ConfigError`.

    `profile` is the name of a profile; '' chooses the default. A set that changes a profile is applied before the
    profile is, because it would have no effect afterwards.
    """
    return loaded(read_yaml(path), profile=profile, sets=sets)


def loaded(located: Located, *, profile: str = "", sets: Iterable[str] = ()) -> Loaded:
    """Do the same as `load` for a config that was read already. Changes `located`. Raises `ConfigError`."""
    if "train" in located.data and "pipeline" not in located.data:
        raise ConfigError(f"{located.origin(('train',))}: is a training's config; use it as `python -m datagen train`")
    to_profiles, to_rest = _split_sets(sets)
    for text in to_profiles:
        apply_set(located, text, place_of=_place_of_set)
    chosen = _choose_profile(located, profile)
    _apply_profile(located, chosen)
    for text in to_rest:
        apply_set(located, text, place_of=_place_of_set)
    register_variables(variables_named_in(located.data))
    refuse_secrets(located)  # before validation, whose messages show values
    return Loaded(validated(Pipeline, located, ()), chosen, located)


def refuse_secrets(located: Located) -> None:
    """Raise `ConfigError` if the config holds a password or key, because it is saved with the dataset and shown."""
    faults = []
    for place, text in texts(located.data, ()):
        what = secret_in(text)
        if not what and text and is_secret_option(str(place[-1])):
            what = "a secret, by its name"
        if not what and is_misplaced_key(str(place[-1]), text):
            what = "what is no name of an environment variable, and may be the key itself"
        if what:
            path = ".".join(map(str, place))
            faults.append(f"{located.origin(place)}: '{path}' holds {what}; {_USE_ENVIRONMENT}")
    if faults:
        raise ConfigError("\n".join(faults))


_USE_ENVIRONMENT = (
    "configs are saved with the dataset and shown in reports: take it out and put it into the environment, "
    "such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, OPENAI_API_KEY or HF_TOKEN"
)


def texts(data: Any, place: Place) -> Iterator[tuple[Place, str]]:
    """Every text in plain data, with its place."""
    if isinstance(data, str):
        yield place, data
    elif isinstance(data, dict | list):
        for step, inner in data.items() if isinstance(data, dict) else enumerate(data):
            yield from texts(inner, (*place, step))


def validated(model: type[M], located: Located, place: Place) -> M:
    """Validate the part of a file at `place` as `model`. Raises one `ConfigError` with a line for each fault."""
    data: Any = located.data
    for step in place:
        data = data.get(step, {}) if isinstance(data, dict) else data[step]
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise ConfigError("\n".join(explain(error, model, located, place))) from error


def validated_file(model: type[M], located: Located, *, sets: Iterable[str] = ()) -> M:
    """Apply each `a.b=c` of `sets`, where `a` is a key of `model`, and validate the whole file. Changes `located`.

    Raises `ConfigError` that names the line. Variables that the file names for keys are redacted from then on.
    """

    def place_of(data: Mapping[str, Any], steps: list[str], origin: str) -> Place:  # noqa: ARG001
        if steps[0] not in model.model_fields:
            raise ConfigError(f"{origin}: there is no key '{steps[0]}'; {nearest(steps[0], model.model_fields)}")
        return tuple(steps)

    for text in sets:
        apply_set(located, text, place_of=place_of)
    register_variables(variables_named_in(located.data))
    refuse_secrets(located)  # before validation, whose messages show values
    return validated(model, located, ())


def stage_places(data: Mapping[str, Any]) -> dict[str, Place]:
    """The place of every stage entry in a config's plain data, by the stage's id."""
    found: dict[str, Place] = {}
    for index, entry in enumerate(_mappings(data.get("stages"))):
        repeat = entry.get("repeat")
        if isinstance(repeat, dict):
            for inner, repeated in enumerate(_mappings(repeat.get("stages"))):
                found[_id_of(repeated)] = ("stages", index, "repeat", "stages", inner)
        else:
            found[_id_of(entry)] = ("stages", index)
    return found


def _mappings(value: Any) -> list[dict[str, Any]]:
    """The mappings of a list. The data is not validated yet, so that anything may be in its place."""
    return [item if isinstance(item, dict) else {} for item in value] if isinstance(value, list) else []


def _id_of(entry: Mapping[str, Any]) -> str:
    return str(entry.get("id") or entry.get("use") or "")


def _choose_profile(located: Located, requested: str) -> str:
    """The requested profile; else the only one, as in the config that a run writes; else the default."""
    profiles = located.data.get("profiles")
    names = list(profiles) if isinstance(profiles, dict) else []
    wanted = requested or (names[0] if len(names) == 1 else DEFAULT_PROFILE)
    if wanted in names or (not names and not requested):
        return wanted
    where = located.origin(("profiles",))
    if not requested:
        raise ConfigError(f"{where}: there is no profile '{wanted}'; name one with --profile: {', '.join(names)}")
    raise ConfigError(f"{where}: there is no profile '{requested}'; {nearest(requested, names)}")


def _apply_profile(located: Located, chosen: str) -> None:
    """Merge a profile's options into the stages' own. Malformed values stay, so that validation reports them."""
    place: Place = ("profiles", chosen, "stages")
    overrides = _value_at(located.data, place)
    places = stage_places(located.data)
    left_out = _value_at(located.data, ("profiles", chosen, "leaves_out"))
    for index, id in enumerate(left_out if isinstance(left_out, list) else ()):
        if id not in places:
            where = located.origin(("profiles", chosen, "leaves_out", index))
            raise ConfigError(
                f"{where}: profile '{chosen}' leaves out '{id}', which is not there; {nearest(str(id), places)}"
            )
    if not isinstance(overrides, dict):
        return
    for id, override in overrides.items():
        if id not in places:
            where = located.origin((*place, id))
            raise ConfigError(
                f"{where}: profile '{chosen}' changes stage '{id}', which is not there; {nearest(id, places)}"
            )
        for part in ("with", "resources"):
            if isinstance(override, dict) and isinstance(override.get(part), dict):
                _merge_at(located, (*places[id], part), override[part], origin_from=(*place, id, part))


def _merge_at(located: Located, place: Place, new: Any, *, origin_from: Place) -> None:
    """Put `new` at `place`. Mappings are merged, unless `kind` changes: another kind has other options."""
    old = _value_at(located.data, place)
    merge = isinstance(old, dict) and isinstance(new, dict) and new.get("kind", old.get("kind")) == old.get("kind")
    if merge:
        _unpin(located, place, {**old, **new})  # before the loop, as it compares with the old values
        for key, value in new.items():
            _merge_at(located, (*place, key), value, origin_from=(*origin_from, key))
        return
    parent = _value_at(located.data, place[:-1])
    parent[place[-1]] = deepcopy(new)
    _move_origins(located, place, origin_from)


_DESCRIBED_BY = {
    "weights": ("commit", "sha256", "weights_license"),
    "model": ("weights", "weights_license"),  # of a language model, which goes by its name
    "path": ("license", "credit"),  # of a source's pictures
}
"""Keys that describe the value of another key, and mean nothing beside another value of it."""


def _unpin(located: Located, place: Place, new: Mapping[str, Any]) -> None:
    """Drop pins and licences that belong to replaced weights or pictures; what `--set` gave stays."""
    old = _value_at(located.data, place)
    for key, about in _DESCRIBED_BY.items():
        if isinstance(old.get(key), str) and new.get(key) != old[key]:
            for name in about:
                if not located.origin((*place, name)).startswith("--set "):
                    old.pop(name, None)


def _move_origins(located: Located, place: Place, origin_from: Place) -> None:
    """Let errors about the value at `place` name the line that it was written on, in the profile or `--set`."""
    origins = located.origins
    moved = {
        (*place, *old[len(origin_from) :]): at for old, at in origins.items() if old[: len(origin_from)] == origin_from
    }
    for old in [old for old in origins if old[: len(place)] == place]:
        del origins[old]
    origins.update(moved)


def _value_at(data: Any, place: Place) -> Any:
    """The value at a place of plain data; None if there is none."""
    for step in place:
        if isinstance(data, dict):
            data = data.get(str(step))
        elif isinstance(data, list) and isinstance(step, int):
            data = data[step]
        else:
            return None
    return data


def _split_sets(sets: Iterable[str]) -> tuple[list[str], list[str]]:
    """The sets that change a profile, and the others."""
    to_profiles: list[str] = []
    to_rest: list[str] = []
    for text in sets:
        first = text.partition("=")[0].split(".")[0]
        (to_profiles if first == "profiles" else to_rest).append(text)
    return to_profiles, to_rest


def apply_set(located: Located, text: str, *, place_of: Callable[[Mapping[str, Any], list[str], str], Place]) -> None:
    """Put the value of one `a.b=c` into the data. Raises `ConfigError`.

    `place_of` says which place the steps `a`, `b` mean in the data; its third argument is the text, for messages.
    """
    path, equals, value = text.partition("=")
    steps = path.split(".")
    origin = f"--set {text}"
    if not equals or not all(steps):
        raise ConfigError(f"{origin}: write it as --set key=value or --set stage.option=value")
    place = place_of(located.data, steps, origin)
    for depth in range(1, len(place)):
        holder = _value_at(located.data, place[:depth])
        if holder is None:
            _value_at(located.data, place[: depth - 1])[place[depth - 1]] = {}
        elif isinstance(holder, list) and isinstance(place[depth], str):
            whole = ".".join(steps[: len(steps) - len(place) + depth])
            raise ConfigError(f"{origin}: '{whole}' is a list; set it as a whole: --set {whole}=[a, b]")
        elif not isinstance(holder, dict | list):
            raise ConfigError(f"{origin}: '{place[depth - 1]}' is a plain value, nothing can be set inside it")
    parsed = parse_yaml(f"value: {value}", name=origin)
    if not value.strip() and isinstance(_value_at(located.data, place), str):
        parsed.data["value"] = ""  # a text that is there, emptied
    spot: Place = ("--set", text)
    located.origins.update({(*spot, *inner[1:]): origin for inner in parsed.origins if inner})
    holder = _value_at(located.data, place[:-1])
    if place[-1] == "kind" and holder.get("kind") != parsed.data["value"]:
        holder.clear()  # the options of one kind are unknown keys of another
    if isinstance(holder, dict):
        _unpin(located, place[:-1], {**holder, str(place[-1]): parsed.data["value"]})
    _merge_at(located, place, parsed.data["value"], origin_from=spot)


def _place_of_set(data: Mapping[str, Any], steps: list[str], origin: str) -> Place:
    """The place that the path of a `--set` means: a stage's option by the stage's id, else a key of the file."""
    places = stage_places(data)
    first, rest = steps[0], steps[1:]
    if first in places:
        if not rest:
            raise ConfigError(f"{origin}: '{first}' is a stage; set one of its options: --set {first}.option=value")
        return (*places[first], *(() if rest[0] == "resources" else ("with",)), *rest)
    if first in Pipeline.model_fields and first != "stages":
        return tuple(steps)
    known = [*places, *(name for name in Pipeline.model_fields if name != "stages")]
    raise ConfigError(f"{origin}: there is no stage or key '{first}'; {nearest(first, known)}")
