"""The config that `init` writes: subject addition on the user's own pictures, with a comment for each choice."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import PurePath
from string import Template

from pydantic import TypeAdapter

from datagen.sources.config import SourceConfig
from datagen.sources.recognise import Shapes, recognise, shapes_of

_DEMO = {"kind": "manifest", "path": "manifests/demo.jsonl"}
_ABOUT: dict[Shapes, str] = {
    "masks": """\
# Objects are annotated with outlines or masks: the segmenter `annotated` uses them as they are.""",
    "boxes": """\
# Objects are annotated with boxes alone: GrabCut finds their pixels, where they stand off their surroundings.
# Outlines or masks (`polygons`, `mask`) are better; with them, set `segmenter: {kind: annotated}`.""",
    "nothing": """\
# NO OBJECTS ARE ANNOTATED in what was looked at, and nothing here guesses any: until some are, every picture ends
# as rejected, `expand_objects/no_children`. What an object needs is a label and a box, x0, y0, x1, y1 in pixels:
#   - pictures as files: beside kitchen.jpg put kitchen.json with
#       {"objects": [{"label": "kettle", "box": [212, 96, 340, 301]}], "license": "CC-BY-4.0"}
#   - a manifest: the same key `objects` in its rows
#   - with `polygons` or a `mask` besides, set `segmenter: {kind: annotated}`, which uses those
# docs/sources.md tells how the other kinds of source carry objects.""",
}
_STAGES: dict[Shapes, str] = {"masks": "annotated", "boxes": "grabcut", "nothing": "grabcut"}
_CONFIG = Template("""\
# Subject addition over $what: take an object out of a picture, so that putting it back is the edit.
#
#   python -m datagen check $file      what is wrong with this file, in a second
#   python -m datagen run $file --limit 4
#
$about
pipeline: $name                    # its name; the dataset goes to out/$name, or where --out says
description: Put a given object into a picture, at a place told in words.
seed: 0                            # every random choice follows from it

source:
$source
slice_size: 16                     # pictures that are scheduled, stored and resumed together

profiles:
  embedded:                        # CPU only: no weights, no network
    unchecked:                     # what no rule can check; every sample says so
      - aesthetic quality
      - subject completeness by a vision-language model

stages:
$annotations
  - use: read_image                # a checksum in a manifest or side-car is compared
    map: {image: target}           # the picture as it is becomes the edit's target
    with:
      schemes: [file, package, s3, gs, gcs, az, abfs, hf, memory, tar, parquet, arrow]
      # For URLs add http and https to the schemes, and say from where:
      # hosts: [images.example.org, "*.example.net"]

  - use: filter_quality            # drops what is blurred, flat or blown out
    map: {image: target}

  - use: expand_objects            # one record an object from here on
    map: {image: target}

  - use: segment_subject
    map: {image: target}
    with:
      segmenter: {kind: $segmenter}

  - use: filter_foreground         # share of the picture that the object covers; MIGE has 0.1 to 0.5
    with:
      min_ratio: 0.005             # classical inpainting removes small things best
      max_ratio: 0.3

  - use: check_completeness        # drops objects that the frame cuts off, or something in front cuts up

  - use: remove_subject
    map: {image: target}
    with:
      dilate_px: 8                 # how far around the object is painted anew; MIGE has 20, at some 1500 px
      long_side: 720               # larger pictures are inpainted at this size; null: at their own, which takes longer

  - use: measure_removal
    map: {image: target}
    durable: true                  # so that another bound in check_removal measures nothing again

  - use: check_removal             # drops removals that show

  - use: cut_out_subject           # the reference picture
    map: {image: target}

  - use: write_instruction

output:
  images: {format: png}            # lossless; jpg and webp change pixels outside the edit too
  val_fraction: 0.1                # share of the pictures that goes to validation
""")
_READ_ANNOTATIONS = """\
  - use: read_annotations          # SA-1B has masks at every scale: which of them are whole objects?
    with:
      min_area: 0.005              # shares of the picture
      max_area: 0.3
      max_inside: 0.8              # a mask that lies further than this in a larger object's is a part of that
      label: object                # SA-1B names nothing, so instructions say "the object" of every one
"""


def starter(place: str, *, file: str) -> tuple[str, str]:
    """The text of a config for the pictures at `place`, and a remark on what was found there.

    `place` '' gives a config for the demo's pictures. `file` is where the config will be, for its commands and its
    name. Raises `ConfigError` if no source can read what is there.
    """
    if place:
        options, what = recognise(place)
    else:
        options, what = dict(_DEMO), "the demo's photographs"
    source = TypeAdapter[SourceConfig](SourceConfig).validate_python(options).load()
    shapes: Shapes = "masks" if options["kind"] == "sa1b" else shapes_of(source)
    about = _ABOUT[shapes]
    if not place:
        about = f"# Change `source` to your own pictures: `python -m datagen init FOLDER` does that.\n{about}"
    text = _CONFIG.substitute(
        what=_one_line(f"{what} at {place}" if place else what),
        file=_one_line(file),
        about=about,
        name=_name(PurePath(file).stem),
        source="\n".join(_lines(options)),
        annotations=_READ_ANNOTATIONS if options["kind"] == "sa1b" else "",
        segmenter=_STAGES[shapes],
    )
    remark = f"{what} at {place}" if place else what
    if shapes == "nothing":
        remark += "; no objects are annotated yet, and the config says what is needed"
    return text.replace("stages:\n\n", "stages:\n"), remark


def _lines(options: Mapping[str, str]) -> list[str]:
    """The options of a source as lines of YAML, with quotes where needed, and a hint to add a licence."""
    lines = [f"  {key}: {value if _is_plain(value) else json.dumps(value)}" for key, value in options.items()]
    if options["kind"] != "manifest":
        lines.append("  # license: CC-BY-4.0             # of every picture that names none")
    return lines


def _is_plain(text: str) -> bool:
    return bool(re.fullmatch(r"[A-Za-z_./][A-Za-z0-9_./-]*", text)) and text not in ("true", "false", "null")


def _one_line(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)


def _name(text: str) -> str:
    """A valid name for a pipeline, made from a file's name."""
    name = re.sub(r"[^a-z0-9_]+", "_", text.lower()).strip("_")[:40]
    return name if name[:1].isalpha() else f"mine_{name}".rstrip("_")
