"""The schema of the rows of all sources, and how a row is validated and becomes a record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple, NotRequired

from pydantic import ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from datagen.core.errors import nearest
from datagen.core.fields import MOST_OBJECTS
from datagen.sources.base import SourceRow, escape_id

FIELDS = ("uri", "base", "sha256", "license", "credit", "caption", "session", "objects")
"""The fields that every source writes; '' or [] if unknown."""
Text = Annotated[str, StringConstraints(max_length=100_000)]
LONGEST_ID = 10_000
LARGEST_RUN = 2**31
"""In pixels; more than any readable picture has."""
FARTHEST = 1_000_000
"""In pixels. A corner of an outline that is farther away is an error, not an object that leaves the frame."""

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
    """One object of a picture. Whether its box fits the picture is checked later, when the picture is read."""

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
    objects: NotRequired[Annotated[list[AnnotatedObject], Field(max_length=MOST_OBJECTS)]]


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
    mask_uri: NotRequired[Annotated[str, StringConstraints(max_length=10_000)]]
    annotated_match: NotRequired[Annotated[float, Field(allow_inf_nan=False)]]


ROW = TypeAdapter(ManifestRow)
PAIR_FIELDS = (
    *FIELDS,
    *("target_uri", "target_sha256", "reference_uri", "reference_sha256", "reference_from", "text"),
    *("source_caption", "target_caption", "operation", "reach", "turn"),
)
"""The fields that every source of pairs writes; '' or 0 if unknown."""
SCORED_PAIR_FIELDS = (*PAIR_FIELDS, "annotated_match")
"""The fields of a source that has a score for each pair. A pair without a score is an error there."""
MASKED_PAIR_FIELDS = (*PAIR_FIELDS, "mask_uri")
"""The fields of a source that has an annotated mask of what an edit changes, '' for a pair that has none."""


class Form(NamedTuple):
    """A kind of row: its schema, and the keys that a table of such rows must have."""

    row: type
    adapter: TypeAdapter[Any]
    needed: tuple[str, ...]


PICTURE = Form(ManifestRow, ROW, ("id", "uri"))
PAIR = Form(PairRow, TypeAdapter(PairRow), ("id", "uri", "target_uri", "text"))


def build_row(row: Mapping[str, Any], *, base: str) -> SourceRow:
    """The record of a validated row; a relative `uri` counts from the folder `base`."""
    fields: dict[str, Any] = {**_DEFAULTS, **(_PAIR_DEFAULTS if "target_uri" in row else {}), **row}
    for name in MEASURES:
        fields.pop(name, None)
    fields["objects"] = [
        {**_EMPTY_OBJECT, "polygons": [], "attributes": [], **thing} for thing in row.get("objects", ())
    ]
    fields["base"] = base
    if "target_uri" in row:
        fields["reference_from"] = "file" if fields["reference_uri"] else "target"
    return SourceRow(escape_id(fields.pop("id")), fields)


def validate_row(data: Mapping[str, Any], *, base: str, where: str, name: str, form: Form = PICTURE) -> SourceRow:
    """Validate a row, and make the record of it, or a failed one.

    `where` is the file and line for an error message. A failed record has the row's id, or `name` if that is no id.
    """
    id = data.get("id")
    id = escape_id(escape_surrogates(id)) if isinstance(id, str) and 0 < len(id) <= LONGEST_ID else name
    try:
        return build_row(form.adapter.validate_python(data), base=base)
    except ValidationError as error:
        return SourceRow(id, {}, escape_surrogates(f"{where}: {format_faults(error, row=form.row)}"))


def faulty_row(name: str, error: str) -> SourceRow:
    """A row that cannot become a record. `name` is its id, or `%` and a name for it: no valid id begins with `%`."""
    return SourceRow(escape_surrogates(name), {}, escape_surrogates(error))


def format_faults(error: ValidationError, *, row: type = ManifestRow) -> str:
    """The first five errors of a row as one message, with the names of its keys."""
    return "; ".join(_format_fault(fault, row) for fault in error.errors(include_url=False)[:5])


def escape_surrogates(text: str) -> str:
    """Text with lone surrogates escaped, as they are no valid UTF-8: the ledger could not store them."""
    return text.encode("utf-8", "backslashreplace").decode()


def _format_fault(fault: Any, row: type) -> str:
    path = ".".join(str(step) for step in fault["loc"])
    if fault["type"] == "extra_forbidden":
        *within, name = fault["loc"]
        known: type = RleMask if "mask" in within else AnnotatedObject if within else row
        return f"unknown key '{path:.200}'; {nearest(str(name)[:200], known.__annotations__)}"
    place = f"'{path}'" if path else "a key"
    return f"{place}: {fault['msg'][0].lower()}{fault['msg'][1:]}"


MEASURES = ("width", "height", "bytes")
"""Properties of the file, only for people: they are measured again when the file is read."""
_DEFAULTS = dict.fromkeys(("uri", "sha256", "license", "credit", "caption", "session"), "")
_PAIR_DEFAULTS: dict[str, Any] = {
    **dict.fromkeys(("target_sha256", "reference_uri", "reference_sha256"), ""),
    **dict.fromkeys(("source_caption", "target_caption", "operation", "reach"), ""),
    "turn": 0,
}
_EMPTY_OBJECT: dict[str, Any] = {"label": "", "box": [], "polygons": [], "mask": None, "attributes": []}
