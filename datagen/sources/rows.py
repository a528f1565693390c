"""What a row may hold, whichever source it comes from, and how one becomes a record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple, NotRequired

from pydantic import ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from datagen.core.errors import nearest
from datagen.sources.base import SourceRow, escaped

FIELDS = ("uri", "base", "sha256", "license", "credit", "caption", "session", "objects")
"""What every source gives; '' or [] where it does not know."""
Text = Annotated[str, StringConstraints(max_length=100_000)]
LONGEST_ID = 10_000
LARGEST_RUN = 2**31
"""Pixels; more than any picture that can be read has."""
FARTHEST = 1_000_000
"""In pixels; an outline's corner farther from the picture's is a fault, not an object that leaves the frame."""

Coordinate = Annotated[float, Field(ge=-FARTHEST, le=FARTHEST)]
Edge = Annotated[float, Field(allow_inf_nan=False)]
_STRICT = with_config(ConfigDict(extra="forbid", strict=True))


@_STRICT
class RleMask(TypedDict):
    """A mask in COCO's uncompressed run lengths, column by column, background first; `size` is height and width."""

    size: Annotated[list[Annotated[int, Field(gt=0, le=LARGEST_RUN)]], Field(min_length=2, max_length=2)]
    counts: list[Annotated[int, Field(ge=0, le=LARGEST_RUN)]]


@_STRICT
class AnnotatedObject(TypedDict):
    """One object of a picture. Whether its box fits the picture is known only once that is read."""

    label: Annotated[str, StringConstraints(min_length=1, max_length=1000)]
    box: Annotated[list[Edge | None], Field(min_length=4, max_length=4)]
    polygons: NotRequired[list[list[Annotated[list[Coordinate], Field(min_length=2, max_length=2)]]]]
    mask: NotRequired[RleMask | None]
    attributes: NotRequired[list[str]]


@_STRICT
class ManifestRow(TypedDict):
    """One line of a manifest."""

    id: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_ID)]
    uri: Annotated[str, StringConstraints(min_length=1, max_length=10_000)]
    sha256: NotRequired[Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{64})?$")]]
    license: NotRequired[Text]
    credit: NotRequired[Text]
    caption: NotRequired[Text]
    session: NotRequired[Text]
    width: NotRequired[Annotated[int, Field(ge=0)]]
    height: NotRequired[Annotated[int, Field(ge=0)]]
    bytes: NotRequired[Annotated[int, Field(ge=0)]]
    objects: NotRequired[list[AnnotatedObject]]


@_STRICT
class PairRow(ManifestRow):
    """A pair: `uri` is the picture before the edit; objects, where there are any, are those of the target."""

    target_uri: Annotated[str, StringConstraints(min_length=1, max_length=10_000)]
    target_sha256: NotRequired[Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{64})?$")]]
    reference_uri: NotRequired[Annotated[str, StringConstraints(max_length=10_000)]]
    reference_sha256: NotRequired[Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{64})?$")]]
    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100_000)]
    source_caption: NotRequired[Text]
    target_caption: NotRequired[Text]
    operation: NotRequired[Text]
    reach: NotRequired[Literal["", "global", "local"]]
    turn: NotRequired[Annotated[int, Field(ge=0)]]
    annotated_match: NotRequired[Annotated[float, Field(allow_inf_nan=False)]]


ROW = TypeAdapter(ManifestRow)
PAIR_FIELDS = (
    *FIELDS,
    *("target_uri", "target_sha256", "reference_uri", "reference_sha256", "reference_from", "text"),
    *("source_caption", "target_caption", "operation", "reach", "turn"),
)
"""What every source of pairs gives; '' or 0 where it does not know."""
SCORED_PAIR_FIELDS = (*PAIR_FIELDS, "annotated_match")
"""What one gives that has a score for each pair; a pair without one is a fault there."""


class Form(NamedTuple):
    """What kind of row a source has."""

    row: type
    adapter: TypeAdapter[Any]
    needed: tuple[str, ...]


PICTURE = Form(ManifestRow, ROW, ("id", "uri"))
PAIR = Form(PairRow, TypeAdapter(PairRow), ("id", "uri", "target_uri", "text"))


def sound(row: Mapping[str, Any], *, base: str) -> SourceRow:
    """The record of a row that was checked; a relative `uri` counts from the folder `base`."""
    fields: dict[str, Any] = {**_UNSAID, **(_UNSAID_OF_PAIRS if "target_uri" in row else {}), **row}
    for name in MEASURES:
        fields.pop(name, None)
    fields["objects"] = [{**_BARE, "polygons": [], "attributes": [], **thing} for thing in row.get("objects", ())]
    fields["base"] = base
    if "target_uri" in row:
        fields["reference_from"] = "file" if fields["reference_uri"] else "target"
    return SourceRow(escaped(fields.pop("id")), fields)


def checked(data: Mapping[str, Any], *, base: str, where: str, name: str, form: Form = PICTURE) -> SourceRow:
    """The record of a row that may hold anything.

    A fault is told with `where` in front of it, under the row's own id where it has one, else under `name`.
    """
    id = data.get("id")
    id = escaped(told(id)) if isinstance(id, str) and 0 < len(id) <= LONGEST_ID else name
    try:
        return sound(form.adapter.validate_python(data), base=base)
    except ValidationError as error:
        return SourceRow(id, {}, told(f"{where}: {faults(error, row=form.row)}"))


def faulty(name: str, error: str) -> SourceRow:
    """A row that cannot become a record; `name` is its id, or says which it is, after a `%`, as no id begins."""
    return SourceRow(told(name), {}, told(error))


def faults(error: ValidationError, *, row: type = ManifestRow) -> str:
    """What is wrong with a row, by the names of its keys."""
    return "; ".join(_tell(fault, row) for fault in error.errors(include_url=False)[:5])


def told(text: str) -> str:
    """Text that any reader of the ledger can take: lone surrogates are written out."""
    return text.encode("utf-8", "backslashreplace").decode()


def _tell(fault: Any, row: type) -> str:
    path = ".".join(str(step) for step in fault["loc"])
    if fault["type"] == "extra_forbidden":
        *within, name = fault["loc"]
        known: type = RleMask if "mask" in within else AnnotatedObject if within else row
        return f"unknown key '{path:.200}'; {nearest(str(name)[:200], known.__annotations__)}"
    place = f"'{path}'" if path else "a key"
    return f"{place}: {fault['msg'][0].lower()}{fault['msg'][1:]}"


MEASURES = ("width", "height", "bytes")
"""Of the file, for whoever reads a manifest; what is read is measured again."""
_UNSAID = dict.fromkeys(("uri", "sha256", "license", "credit", "caption", "session"), "")
_UNSAID_OF_PAIRS: dict[str, Any] = {
    **dict.fromkeys(("target_sha256", "reference_uri", "reference_sha256"), ""),
    **dict.fromkeys(("source_caption", "target_caption", "operation", "reach"), ""),
    "turn": 0,
}
_BARE: dict[str, Any] = {"label": "", "box": [], "polygons": [], "mask": None, "attributes": []}
