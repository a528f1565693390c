"""Finds out which kind of source reads the files at an address, and with which options."""

from __future__ import annotations

import re
from itertools import islice
from typing import Any, Literal, NamedTuple

from datagen.core.errors import ConfigError, DatagenError
from datagen.sources.base import Source
from datagen.sources.file_listing import FileListing, Folder, split_address
from datagen.sources.hub_files import SPLITS, STATE
from datagen.sources.images import ENDINGS
from datagen.sources.tars import ENDING, PACKED, Tar, has_braces, read_members, tars_at

_TABLES = (".jsonl", ".ndjson", ".csv", ".tsv", ".parquet")
_METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
"""The names of the table in a folder of pictures, as `datasets` has them (ImageFolder)."""
_SA1B = re.compile(r"^sa_\d+\.(jpg|json)$")
_FOLDERS = 50
"""The most folders that are searched."""
_ROWS = 20

Shapes = Literal["masks", "boxes", "nothing"]


class Recognised(NamedTuple):
    """The options of the source, with `kind` and `path`, and in words what was found, for the user."""

    options: dict[str, str]
    found: str


def recognise(address: str) -> Recognised:
    """The source that reads the files at an address. Raises `ConfigError` if there is none."""
    listing = FileListing(address)
    listing.check_scheme()
    if has_braces(address) or (listing.is_file() and address.lower().endswith(ENDING)):
        return _tars(address, next(tars_at(address), None))
    if listing.is_file():
        return _file(address)
    for folder in islice(listing.folders(), _FOLDERS):
        if (known := _folder(address, listing, folder)) is not None:
            return known
    kinds = "pictures, tars, Parquet files, a manifest, or COCO's annotations"
    raise ConfigError(f"{address}: holds nothing that a source reads: {kinds}; docs/sources.md tells more")


def shapes_of(source: Source) -> Shapes:
    """Whether the first rows of a source have masks or boxes of objects; `nothing` also if they cannot be read."""
    try:
        rows = list(islice(source.rows(), _ROWS))
    except DatagenError:
        return "nothing"
    if any(row.fields.get("annotation") for row in rows):
        return "masks"
    things = [thing for row in rows for thing in row.fields.get("objects", ())]
    if any(thing["mask"] or thing["polygons"] for thing in things):
        return "masks"
    return "boxes" if things else "nothing"


def _file(address: str) -> Recognised:
    name = address.rpartition("/")[2].lower()
    if name.endswith(_TABLES):
        return Recognised({"kind": "manifest", "path": address}, "a manifest")
    if name.endswith(".json"):
        return _coco(address)
    if name.endswith(PACKED):
        raise ConfigError(f"{address}: is packed; pictures are read from plain tars, by byte range: unpack it once")
    wanted = ", ".join((*_TABLES, ".json", ENDING))
    raise ConfigError(f"{address}: is a single file that no source reads; give a folder, or one of {wanted}")


def _folder(address: str, listing: FileListing, folder: Folder) -> Recognised | None:
    """The source for a folder, by the names in it; None if they fit no source."""
    names = [name for name in folder.files if not name.startswith(".")]
    if SPLITS in names or (STATE in names and any(name.endswith(".arrow") for name in names)):
        return _huggingface(address, "what save_to_disk wrote")
    if sum(bool(_SA1B.match(name)) for name in names) > len(names) / 2:
        return Recognised({"kind": "sa1b", "path": address}, "SA-1B's pictures and masks")
    if tar := next((name for name in names if name.lower().endswith(ENDING)), None):
        return _tars(address, Tar(listing, f"{folder.path}{tar}"))
    if any(name.lower().endswith(ENDINGS) for name in names):
        beside = next((name for name in _METADATA if name in names and not folder.path), "")
        options = {"kind": "images", "path": address, **({"table": f"{listing.base}{beside}"} if beside else {})}
        return Recognised(options, f"pictures, with {beside} beside them" if beside else "pictures")
    if coco := next((name for name in names if re.match(r"^instances.*\.json$", name)), None):
        return _coco(f"{listing.base}{folder.path}{coco}")
    if any(name.endswith(".parquet") for name in names):
        return _huggingface(address, "Parquet files")
    if table := next((name for name in names if name.endswith((".jsonl", ".ndjson"))), None):
        return Recognised({"kind": "manifest", "path": f"{listing.base}{folder.path}{table}"}, "a manifest")
    return None


def _tars(address: str, first: Tar | None) -> Recognised:
    if first is None:
        raise ConfigError(f"{address}: holds no tars")
    with first.listing.open(first.path) as file:
        members = list(islice((member for member in read_members(file) if not member.error), _ROWS))
    names = [member.name.rpartition("/")[2] for member in members]
    if names and all(_SA1B.match(name) for name in names):
        return Recognised({"kind": "sa1b", "path": address}, "SA-1B's tars")
    extensions = {name.partition(".")[2].lower() for name in names}
    options = {"kind": "webdataset", "path": address}
    if {"target.png", "json"} <= extensions:
        return Recognised({**options, "image": "target.png"}, "datagen's own shards")
    return Recognised(options, "WebDataset tars")


def _huggingface(address: str, found: str) -> Recognised:
    """The source with the columns of pictures and captions, if they have one of the usual names."""
    options = {"kind": "huggingface", "path": address}
    names = _columns(address)
    for option, usual in (("image_column", ("image", "img", "picture", "jpg", "png")), ("caption_column", _CAPTIONS)):
        if name := next((name for name in usual if name in names), None):
            options[option] = name
    return Recognised(options, found)


_CAPTIONS = ("caption", "text", "prompt", "captions")


def _columns(address: str) -> list[str]:
    from datagen.sources.huggingface import HuggingFace

    source = HuggingFace(address, split="", image="", columns={}, default={})
    return source.columns()


def _coco(address: str) -> Recognised:
    """The source with the folder of pictures that fits the file's name. Raises `ConfigError` if there is none."""
    listing, name = split_address(address)
    part = re.sub(r"^[a-z]+_|\.json$", "", name)
    above = listing.base.rstrip("/").rpartition("/")[0]
    near = [listing.base.rstrip("/"), above or "."]
    tried = [f"{folder}/{inside}" for folder in near for inside in (part, "images", f"images/{part}")]
    images = next((folder for folder in tried if _holds_pictures(folder)), None)
    if images is None:
        raise ConfigError(f"{address}: where are its pictures? looked in {', '.join(tried)}; set `images`")
    captions = f"{listing.base}captions_{part}.json"
    options: dict[str, Any] = {"kind": "coco", "path": address, "images": images}
    if captions != address and f"captions_{part}.json" in listing.siblings(""):
        options["captions"] = captions
    return Recognised(options, "COCO's annotations")


def _holds_pictures(folder: str) -> bool:
    try:
        first = next(FileListing(folder).folders(), None)
    except ConfigError:
        return False
    return first is not None and any(name.lower().endswith(ENDINGS) for name in first.files)
