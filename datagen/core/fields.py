"""The standard fields of records: the name of each, its kind, its unit, and where it is stored on disk.

A plugin declares more fields in its stage (`Stage.fields`). A name that is declared twice with different kinds is an
error.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

from datagen.core.errors import ConfigError

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in pixels; x to the right, y down, x1 and y1 excluded."""

Polygon = list[tuple[float, float]]
"""Corners in pixels, x to the right, y down."""

INT64 = range(-(2**63), 2**63)
"""The whole numbers that a field may hold, also inside of JSON: Arrow and Parquet have no larger ones."""

MOST_OBJECTS = 1_000
"""Most objects of one picture, and most records that a stage makes of one. Pictures of COCO and SA-1B have about a
hundred, few have several hundred. Each object becomes a sample that lists all the others: bytes and time grow with the
square."""

PLACEHOLDER = "<imagehere>"
"""Stands for one input in an instruction."""

Format = Literal["png", "jpg", "webp"]
"""How a picture is encoded."""

Kind = Literal["image", "images", "mask", "masks", "audio", "text", "int", "float", "bool", "box", "score", "json"]


class Field(NamedTuple):
    """One field: its name and what it means, the same in all stages."""

    name: str
    kind: Kind
    doc: str
    shape: str = ""
    unit: str = ""
    member: str = ""
    """Name of the member of a shard that stores it (`ref_0`, `ref_1`, ... for a list); '' if it is not stored."""
    choices: tuple[str, ...] = ()
    """All possible values, if they are known, so that `when` can be checked before a run."""
    bulky: bool = False
    """Large annotations, the same for every record of a picture; the ledger leaves them out."""


STANDARD: tuple[Field, ...] = (
    Field("uri", "text", "Address of the original picture."),
    Field("base", "text", "Folder from which a relative `uri` counts."),
    Field("session", "text", "Album or edit session that the record belongs to."),
    Field("sha256", "text", "Checksum of the original file as the manifest gives it, '' if it gives none."),
    Field("original_sha256", "text", "Checksum of the original file as it was read."),
    Field("license", "text", "Licence of the original, an SPDX name where there is one."),
    Field("credit", "text", "Who made the original."),
    Field("caption", "text", "What the original shows."),
    Field("source_caption", "text", "What the picture shows before the edit."),
    Field("target_caption", "text", "What the picture shows after the edit."),
    Field("annotation", "text", "Address of what is annotated of the original, in the form of its dataset."),
    Field(
        "target_uri", "text", "Address of the picture after the edit, where the source gives pairs; `uri` is before."
    ),
    Field("target_sha256", "text", "Checksum of that file as the source gives it, '' if it gives none."),
    Field("target_original_sha256", "text", "Checksum of that file as it was read."),
    Field("reference_uri", "text", "Address of a reference picture that the source gives, '' if it gives none."),
    Field("reference_sha256", "text", "Checksum of that file as the source gives it, '' if it gives none."),
    Field("reference_original_sha256", "text", "Checksum of that file as it was read."),
    Field(
        "reference_from",
        "text",
        "Whether the reference is a file of its own, or to be cut out of the target.",
        choices=("file", "target"),
    ),
    Field("operation", "text", "Which kind of edit the source says this is, such as `replace`; '' if it does not say."),
    Field("reach", "text", "Whether the source says that an edit changes all of the picture, or a part; '' if not."),
    Field("scope", "text", "Whether an edit changes all of the picture, or a part.", choices=("global", "local")),
    Field("turn", "int", "Number of an edit in its session, from 1; 0 where it is in none."),
    Field("world", "json", "What a drawn session is made from: the options of `WorldSpecification`.", bulky=True),
    Field(
        "truth",
        "json",
        "What is true of a drawn turn, for measuring: {op, object, label, attributes, renamed_to, count, box, mask, "
        "damage, background, photographs, split, wording, relations, contrast}; box and mask on the source.",
        unit="pixels",
        bulky=True,
    ),
    Field(
        "graph",
        "json",
        "What a picture shows: {objects: [{id, label, count, attributes: [{kind, value}]}], relations: [{subject, "
        "predicate, object}], background, style}, the options of `SceneGraph`.",
    ),
    Field("whole_graph", "json", "The graph of which `graph` is a part, where parts are taken.", bulky=True),
    Field("step_graphs", "json", "The graph that each step of a plan leads to, in the order of `steps`.", bulky=True),
    Field("scene", "json", "How graphs are rendered: the options of `SceneSpecification`.", bulky=True),
    Field("step", "int", "Number of a step in its plan, from 1; 0 for no step."),
    Field("atoms", "json", "What a picture was asked to show: [{kind, expected, found, holds}]."),
    Field(
        "fault",
        "json",
        "The one thing that is wrong with a picture or a description: {kind, atoms, box}; {} if nothing is.",
        unit="pixels",
    ),
    Field("description", "text", "What a step's picture shows, in words."),
    Field("critique", "text", "What is wrong with it, in words; '' if nothing is."),
    Field("correction", "text", "The instruction that mends it; '' if there is nothing to mend."),
    Field(
        "critique_of",
        "text",
        "What of a model's output is judged, or was mended.",
        choices=("description", "picture", "mended"),
    ),
    Field(
        "critique_form",
        "text",
        "Which sample comes of a judged output.",
        choices=("inspect_text", "inspect_image", "refine"),
    ),
    Field(
        "generation",
        "json",
        "What a model wrote for a prompt: [{instruction, description, verdict, critique, correction, "
        "description_verdict, description_critique, description_correction}], a row a step; verdicts and what "
        "follows them are '' where nothing is known.",
        bulky=True,
    ),
    Field("mended", "image", "The picture into which a flawed one was mended.", "HWC uint8 RGB"),
    Field("annotated_match", "score", "How well an edit matches its words, as its dataset's own annotations say."),
    Field("members", "json", "Addresses of a finished sample's members, by name.", bulky=True),
    Field("source_member", "text", "Address of a finished sample's picture before the edit, '' if it has none."),
    Field("source_member_sha256", "text", "Checksum of that member."),
    Field("shard_sha256", "text", "Checksum of the shard in which a finished sample lies."),
    Field("canvas", "text", "What a finished sample starts from.", choices=("picture", "blank")),
    Field("dataset", "text", "Which dataset of a mix a sample is from."),
    Field(
        "mix_says",
        "text",
        "Whether a mix takes a sample, or why not.",
        choices=("taken", "beyond_share", "beyond_cap", "other_split"),
    ),
    Field("former_split", "text", "In which split of its dataset a sample was.", choices=("train", "val")),
    Field("copy", "int", "Which copy of a sample this is, where a mix asks for several; 0 is the first."),
    Field("carried", "json", "What a finished sample brings along: {run, seed, scores, unchecked}.", bulky=True),
    Field(
        "grounding",
        "json",
        "Which characters of the caption name what is in which boxes, 0 to 1: [{start, end, boxes}].",
        bulky=True,
    ),
    Field("panels", "json", "What is told of a picture of two panels: {item, captions, valid, ratings}."),
    Field(
        "entities", "json", "Things that the caption names: [{label, start, end, box, ...}].", unit="pixels", bulky=True
    ),
    Field("entity", "text", "Name of one thing that the caption names."),
    Field("span", "json", "Where the caption names it: [start, end), in characters."),
    Field("entity_box", "box", "The box that is annotated of it.", "xyxy", "pixels"),
    Field("cutouts", "images", "The thing alone on a plain square.", "HWC uint8 RGB"),
    Field("objects", "json", "Objects of a picture: [{label, box, polygons, attributes}].", unit="pixels", bulky=True),
    Field(
        "annotated", "json", "Objects that are known before any is looked for, as `objects`.", unit="pixels", bulky=True
    ),
    Field("found_objects", "json", "Objects, annotated or found, as `objects`.", unit="pixels", bulky=True),
    Field("decision", "text", "What a person decided about a pair, '' for nothing yet.", choices=("keep", "drop", "")),
    Field("decision_reason", "text", "Why, in the person's words."),
    Field("over_cap", "bool", "Whether as many pairs of its kind as are wanted were kept before it."),
    Field("given_caption", "text", "What the source says the picture shows after the edit."),
    Field("proposed_name", "text", "What a model calls the subject, before a person looked."),
    Field("reviewed_name", "text", "What a person calls it, '' for nothing yet."),
    Field("proposed_caption", "text", "What a model says the picture shows after the edit, before a person looked."),
    Field("reviewed_caption", "text", "What a person says of it, '' for nothing yet."),
    Field("source", "image", "The picture before the edit.", "HWC uint8 RGB", member="source"),
    Field("target", "image", "The picture after the edit.", "HWC uint8 RGB", member="target"),
    Field("image", "image", "A picture on which a stage works.", "HWC uint8 RGB"),
    Field("reference", "image", "A reference picture that the source gives.", "HWC uint8 RGB"),
    Field("refs", "images", "Reference pictures, in the order of the instruction.", "HWC uint8 RGB", member="ref"),
    Field("black_refs", "images", "The same references on black.", "HWC uint8 RGB", member="black_ref"),
    Field("masks", "masks", "mask_0: what the edit changes; mask_1, ...: each object.", "HW bool", member="mask"),
    Field("mask", "mask", "The subject's pixels.", "HW bool"),
    Field("hole", "mask", "The pixels that were painted anew.", "HW bool"),
    Field("annotated_subject", "text", "What annotators call the object, where it is named anew."),
    Field("subject", "text", "Name of the object an edit is about."),
    Field("box", "box", "The subject's box.", "xyxy", "pixels"),
    Field("box_candidates", "json", "Boxes that may be an edit's: [{box, by, side, score}].", "xyxy", "pixels"),
    Field(
        "box_terms",
        "json",
        "What the box rules say of each candidate: [{box, by, fault, recall, precision, gradient, agree, published, "
        "corrected, score}]; null where a term was not computed.",
    ),
    Field(
        "polygons",
        "json",
        "The subject's annotated outline, [] if it has none.",
        "[[[x, y], ...], ...]",
        "pixels",
        bulky=True,
    ),
    Field("annotated_mask", "json", "The subject's annotated mask, {size: [h, w], counts}; {} if none.", bulky=True),
    Field("attributes", "json", "Words that describe the subject.", "[text]"),
    Field(
        "instances", "json", "All objects of the target: [{label, box, mask, attributes}].", unit="pixels", bulky=True
    ),
    Field(
        "relations",
        "json",
        "Which object stands how to which: [{subject, predicate, object, subject_id, object_id}]; see KEY.json.",
    ),
    Field("instruction", "text", "The edit as told, `<imagehere>` standing for each input."),
    Field("text", "text", "The instruction without placeholders."),
    Field("inputs", "json", "What each placeholder stands for: [{member, role, label, appears, caption}]."),
    Field("edits", "json", "Single edits: [{instruction, op, object, box, mask, candidates}]."),
    Field("steps", "json", "Turns of a session: [{instruction, description, image, verdict, critique, correction}]."),
    Field(
        "op",
        "text",
        "What an instruction asks for first; `unknown` if it is not understood.",
        choices=("add", "remove", "replace", "change", "move", "global", "undo", "unknown"),
    ),
    Field("object", "text", "Name of the thing that an instruction is about, '' for a pronoun or a global edit."),
    Field("renamed_to", "text", "Name of that thing after the edit, '' if it keeps its name."),
    Field("refers_to", "json", "Other things that an instruction relies on, pronouns as written: [name]."),
    Field("parts", "json", "Edits of an instruction: [{op, object, renamed_to, refers_to, count, cues}]."),
    Field("states", "images", "Pictures of a session: before its first turn, then after each.", "HWC uint8 RGB"),
    Field(
        "session_turns",
        "json",
        "Turns of a session: [{turn, text, op, object, renamed_to, refers_to, parts, box, box_score, candidates, "
        "before, after, broken, faulty}].",
        unit="pixels",
        bulky=True,
    ),
    Field(
        "turn_relations",
        "json",
        "How turns rely on or undo each other: [{first, second, kind, reason}]; `first` is 0 for what no turn named.",
    ),
    Field("turns", "images", "Pictures between the source and the target.", "HWC uint8 RGB", member="turn"),
    Field("conflicts", "json", "Relations that make turns unfit to be one edit: [{first, second, kind, reason}]."),
    Field("first_turn", "int", "Number of the first turn of a window in its session, from 1."),
    Field("turn_count", "int", "Number of turns of a window."),
    Field("raw_target", "image", "The picture after the edits, before anything was pasted back.", "HWC uint8 RGB"),
    Field("raw_turns", "images", "Pictures between, likewise.", "HWC uint8 RGB"),
    Field("mask_uri", "text", "Address of an annotated mask of what an edit changes, '' if the source gives none."),
    Field("label", "text", "Whether the pair is an example to follow.", choices=("positive", "negative")),
    Field("task", "text", "Which kind of edit this is, such as `subject_add`."),
    Field("picture_hash", "text", "Hash of a picture; near pictures have near bits.", unit="bits"),
    Field("source_hash", "text", "Hash of the picture before the edit.", unit="bits"),
    Field("target_hash", "text", "Hash of the picture after the edit.", unit="bits"),
    Field("change_place", "text", "Where source and target differ: the box, each edge in unary.", unit="bits"),
    Field("change_hash", "text", "Hash of the difference of source and target there.", unit="bits"),
    Field("sharpness", "score", "Variance of the Laplacian of luma at long side 512.", unit="squared grey levels"),
    Field("sharpness_kept", "score", "Sharpness of the target over that of the source.", unit="ratio"),
    Field("contrast", "score", "Span between the 2nd and the 98th percentile of luma.", unit="0 to 1"),
    Field("clipped", "score", "Share of pixels that are pure black or pure white.", unit="0 to 1"),
    Field("caption_match", "score", "How well caption and picture match.", unit="cosine"),
    Field("entity_match", "score", 'How well "a photo of" an entity and its cut-out match.', unit="cosine"),
    Field("box_ratio", "score", "The box's area over the picture's.", unit="0 to 1"),
    Field("composite_structure", "score", "How well a pair is laid out, by the model that rated it.", unit="0 to 5"),
    Field("object_consistency", "score", "How far both pictures show one object, likewise.", unit="0 to 5"),
    Field("image_quality", "score", "How good both pictures are, likewise.", unit="0 to 5"),
    Field("box_score", "score", "How sure the detector, or the box rule, is of the box.", unit="its own"),
    Field("mask_fit", "score", "Overlap of the mask's bounds with its box, intersection over union.", unit="0 to 1"),
    Field("foreground_ratio", "score", "Mask pixels over all pixels.", unit="0 to 1"),
    Field("largest_piece", "score", "Share of the mask in its largest connected piece.", unit="0 to 1"),
    Field("border_contact", "score", "Share of the mask's outline that lies on the frame.", unit="0 to 1"),
    Field("outside_change", "score", "Largest difference outside the hole.", unit="grey levels"),
    Field("inside_change", "score", "Mean difference inside the subject's mask.", unit="grey levels"),
    Field("outside_l1", "score", "Mean difference outside the mask of the change, in float.", unit="0 to 1"),
    Field("pasted_l1", "score", "Mean difference outside the edits' regions before pasting back.", unit="0 to 1"),
    Field("shift", "score", "How far the target is moved against the source.", unit="pixels of the source"),
    Field("zoom", "score", "How far the target is scaled against the source: 0.02 is 2 % larger or smaller."),
    Field("benchmark_distance", "score", "Bits by which a picture differs from the nearest of the lists.", unit="bits"),
    Field("seam", "score", "Step across the hole's edge, over the step beside it.", unit="ratio"),
    Field("texture", "score", "Fine detail in the hole over that around it.", unit="ratio"),
    Field("aesthetic", "score", "How much people would like the picture, on its predictor's own scale."),
    Field("object_score", "score", "Share of the objects of a graph that its picture shows.", unit="0 to 1"),
    Field("count_score", "score", "Share of the graph's counts that its picture shows.", unit="0 to 1"),
    Field("attribute_score", "score", "Share of the graph's attributes that its picture shows.", unit="0 to 1"),
    Field("relation_score", "score", "Share of the graph's relations that its picture shows.", unit="0 to 1"),
    Field("match", "score", "How well the picture shows what a text says.", unit="cosine"),
    Field("subject_match", "score", "How well the subject's own picture shows its name.", unit="cosine"),
    Field("source_match", "score", "How well the source shows its caption.", unit="cosine"),
    Field("target_match", "score", "How well the target shows its caption.", unit="cosine"),
    Field("direction", "score", "How far the pictures differ as their captions do.", unit="cosine"),
    Field("similarity", "score", "How alike source and target are.", unit="cosine"),
    Field("clip_similarity", "score", "The same by CLIP, where there are two such scores.", unit="cosine"),
    Field("dino_similarity", "score", "The same by DINO, where there are two such scores.", unit="cosine"),
    Field("nsfw", "score", "Probability that not everyone wants to see the picture.", unit="0 to 1"),
    Field(
        "strangeness", "score", "How unlike the rest of the picture the hole is, times its depth.", unit="grey levels"
    ),
)

VERDICT = Field("verdict", "text", "Whether it is as it should be.", choices=("consistent", "inconsistent"))
"""Declared by the stages that write it, so that plugins may have verdicts of their own."""


def catalogue(extra: Iterable[Field] = ()) -> dict[str, Field]:
    """The standard fields and `extra`, by name. Raises `ConfigError` if a name has two kinds or members."""
    known = {field.name: field for field in STANDARD}
    for field in extra:
        other = known.setdefault(field.name, field)
        if other.kind != field.kind or other.member != field.member:
            raise ConfigError(
                f"field '{field.name}' is declared as {field.kind} and as {other.kind}; "
                "one name has one kind: rename the field of the plugin stage"
            )
    return known
