"""The configs of all sources, and the union of them that a pipeline's config uses."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from datagen.core.options import Options
from datagen.sources.base import Source
from datagen.sources.formats.base import ForeignOptions, SourceOptions
from datagen.sources.formats.generation.config import GENERATION_SOURCES, GenerationSources
from datagen.sources.formats.mix.config import MixConfig
from datagen.sources.formats.pairs.config import PAIR_SOURCES, PairSources


class ManifestConfig(SourceOptions):
    """Pictures and their annotations, one a row: JSON lines, CSV or Parquet."""

    kind: Literal["manifest"] = "manifest"
    """A `.jsonl`, `.csv`, `.tsv` or `.parquet` file that datagen or a person wrote."""

    def load(self) -> Source:
        """The source itself; reads nothing yet."""
        from datagen.sources.manifest import Manifest
        from datagen.sources.tables import Table

        return Table(self.path) if self.path.lower().endswith((".csv", ".tsv", ".parquet")) else Manifest(self.path)


class ImagesConfig(ForeignOptions):
    """A folder, glob or bucket of pictures, with annotations in files beside them or in a table."""

    kind: Literal["images"] = "images"
    """Pictures as files."""
    path: str = Field(min_length=1)
    """Address of the folder, with all below it; or a glob, such as photos/**/*.jpg."""
    table: str = ""
    """A CSV, JSON lines or Parquet file with caption, license, credit, session or objects of each picture."""
    table_key: str = "file_name"
    """The table's column with the pictures' paths from the folder."""

    def load(self) -> Source:
        """The source itself; reads nothing yet."""
        from datagen.sources.images import Images

        return Images(self.path, table=self.table, table_key=self.table_key, license=self.license, credit=self.credit)


class Sa1bConfig(ForeignOptions):
    """SA-1B's pictures and masks, which the stage `read_annotations` chooses from; not verified on real data."""

    kind: Literal["sa1b"] = "sa1b"
    """`sa_1.jpg` beside `sa_1.json`, in folders or tars."""
    path: str = Field(min_length=1)
    """Address of a folder of pictures or tars, of one tar, or a glob."""
    license: str = "LicenseRef-SA-1B"
    """Licence of every picture; SA-1B has one of its own, for research."""

    def load(self) -> Source:
        """The source itself; reads nothing yet."""
        from datagen.sources.formats.sa1b import Sa1b

        return Sa1b(self.path, license=self.license, credit=self.credit)


def _plain(extension: str) -> str:
    from datagen.sources.tars import PICKLED

    if f".{extension.lower()}".endswith(PICKLED):
        raise ValueError("what was pickled is never opened, as that runs whatever it holds")
    if extension.startswith("."):
        raise ValueError("write it without the dot in front")
    return extension


_Extension = Annotated[str, AfterValidator(_plain)]


class WebDatasetConfig(ForeignOptions):
    """WebDataset tars, datagen's own among them."""

    kind: Literal["webdataset"] = "webdataset"
    """Files that share a name up to its first dot are one sample."""
    path: str = Field(min_length=1)
    """Address of a tar, of a folder of tars, a glob, or braces, such as shards/train-{000000..000017}.tar."""
    image: _Extension = ""
    """Extension of the picture, such as jpg or target.png; if not given, the one picture that a sample has."""
    caption: _Extension = "txt"
    """Extension of the caption."""
    sidecar: _Extension = "json"
    """Extension of the JSON file with caption, license, credit, session and objects, where there is one."""

    def load(self) -> Source:
        """The source itself; reads nothing yet."""
        from datagen.sources.webdataset import WebDataset

        return WebDataset(
            self.path,
            image=self.image,
            caption=self.caption,
            sidecar=self.sidecar,
            license=self.license,
            credit=self.credit,
        )


class HuggingFaceConfig(ForeignOptions):
    """A Hugging Face dataset on disk: Parquet files, or what `save_to_disk` wrote."""

    kind: Literal["huggingface"] = "huggingface"
    """Pictures in the cells of tables."""
    path: str = Field(min_length=1)
    """Address of the dataset's folder, or a glob of its Parquet files."""
    split: str = ""
    """Which split; all, if not given."""
    image_column: str = Field(default="image", min_length=1)
    """Column of the pictures."""
    id_column: str = ""
    """Column of the ids; if not given, a row is called by its file and number."""
    caption_column: str = ""
    """Column of the captions; of a list of them, the first is taken."""
    license_column: str = ""
    """Column of the licences."""
    credit_column: str = ""
    """Column of who made the pictures."""
    session_column: str = ""
    """Column of the session that a row belongs to."""
    objects_column: str = ""
    """Column of the objects, each as a manifest has it."""

    def load(self) -> Source:
        """The source itself; reads nothing yet."""
        from datagen.sources.huggingface import HuggingFace

        names = ("id", "caption", "license", "credit", "session", "objects")
        return HuggingFace(
            self.path,
            split=self.split,
            image=self.image_column,
            columns={name: getattr(self, f"{name}_column") for name in names},
            default={"license": self.license, "credit": self.credit},
        )


class PairsConfig(SourceOptions):
    """Pairs of pictures, before and after an edit, one a row: JSON lines, CSV or Parquet."""

    kind: Literal["pairs"] = "pairs"
    """A table with `id`, `uri` (before), `target_uri` (after), `text` (the instruction), and what else is known."""

    def load(self) -> Source:
        """The source itself; reads nothing yet."""
        from datagen.sources.rows import PAIR
        from datagen.sources.tables import Table

        return Table(self.path, form=PAIR)


class SeedEditPart1Config(ForeignOptions):
    """SEED-Data-Edit part 1, pairs that its authors' pipelines made; not verified on real data."""

    kind: Literal["seed_edit_part1"] = "seed_edit_part1"
    """A folder such as `auto_editing/unsplash`, with annotations as JSON lines and the pictures that they name."""
    annotations: str = Field(default="annotations", pattern=r"^[^/]+$")
    """Folder of the annotations; `annotations_GPT4V` holds those few that GPT-4V reworded."""
    images: str = Field(default="images", pattern=r"^[^/]+$")
    """Folder from which the pictures' names count."""
    score_key: str = "match_score"
    """Key of the match score, which MIGE filters by (appendix B); '' if it is not to be read."""
    license: str = "CC-BY-NC-4.0"
    """Licence of every pair, as the dataset's card states it."""

    def load(self) -> Source:
        """The source itself; reads nothing yet."""
        from datagen.sources.formats.seed_edit import SeedEditPart1

        return SeedEditPart1(
            self.path,
            annotations=self.annotations,
            images=self.images,
            score_key=self.score_key,
            license=self.license,
            credit=self.credit,
        )


class TryOnConfig(ForeignOptions):
    """Virtual try-on triplets in VITON-HD's or DressCode's layout; not verified on real data."""

    kind: Literal["try_on"] = "try_on"
    """A person, a garment, and the person in that garment."""
    layout: Literal["viton_hd", "dress_code"]
    """VITON-HD has the folders `image` and `cloth` in `path`; DressCode has `images` alone."""
    pairs: str = Field(min_length=1)
    """Address of the list, such as test_pairs.txt: a person's and a garment's file name on each line."""
    results: str = Field(default="", pattern=r"^[^/]*$")
    """Folder in `path` of what a try-on model made of each pair, under the person's name, as IDM-VTON saves it."""
    source: Literal["photograph", "result", "agnostic"] = "photograph"
    """What is edited: the photograph into the result, the result back into the photograph, or VITON-HD's agnostic
    picture, in which the garment is greyed out, into the photograph. For the last two the list has to be the paired one
    in which the garment is what the photograph shows."""
    agnostic: str = Field(default="agnostic-v3.2", pattern=r"^[^/]+$")
    """VITON-HD's folder of agnostic pictures."""
    garment: str = Field(default="top", min_length=1, max_length=60)
    """What a garment is called: `top`, `dress`, `skirt`."""
    license: str = ""
    """Licence of every picture; VITON-HD's is CC-BY-NC-4.0, DressCode's an agreement of its own."""

    @model_validator(mode="after")
    def _made(self) -> Self:
        if self.source != "agnostic" and not self.results:
            raise ValueError(f"`source: {self.source}` needs `results`, the folder of what a try-on model made")
        if self.source == "agnostic" and self.layout != "viton_hd":
            raise ValueError("DressCode has no agnostic pictures; set `source: photograph` or `result`")
        return self

    def load(self) -> Source:
        """The source itself; reads nothing yet."""
        from datagen.sources.formats.try_on import FOLDERS, TryOn

        folders = FOLDERS[self.layout]._replace(result=self.results, agnostic=self.agnostic)
        return TryOn(
            self.path,
            self.pairs,
            folders=folders,
            edited=self.source,
            garment=self.garment,
            default={"license": self.license, "credit": self.credit},
        )


class CocoConfig(ForeignOptions):
    """COCO's annotations of a folder of pictures; not verified on real data."""

    kind: Literal["coco"] = "coco"
    """One JSON file of images, annotations and categories."""
    path: str = Field(min_length=1)
    """Address of the file, such as annotations/instances_val2017.json."""
    images: str = Field(min_length=1)
    """Address of the folder of the pictures, such as val2017."""
    captions: str = ""
    """Address of a file of captions, such as annotations/captions_val2017.json; of several, the first is taken."""
    crowds: Literal["skip", "keep"] = "skip"
    """What becomes of annotations that cover a crowd of objects rather than one."""

    def load(self) -> Source:
        """The source itself; reads nothing yet."""
        from datagen.sources.formats.coco import Coco

        return Coco(
            self.path,
            images=self.images,
            captions=self.captions,
            crowds=self.crowds,
            license=self.license,
            credit=self.credit,
        )


class ReviewedConfig(SourceOptions):
    """Pairs with what a person decided about them, read from a sheet that runs write and the person fills in."""

    kind: Literal["reviewed"] = "reviewed"
    """Another source's pairs, and a sheet."""
    path: str = Field(min_length=1)
    """The sheet, a .csv, .tsv or .jsonl. It need not be there: each run adds what waits for a person, and changes
    nothing that the person wrote."""
    of: Annotated[PairsConfig | SeedEditPart1Config | TryOnConfig | PairSources, Field(discriminator="kind")]
    """Where the pairs come from."""
    caps: dict[str, Annotated[int, Field(ge=1)]] = {}
    """Most pairs that are kept of an operation, such as {add: 500, replace: 500}, in the order of the source."""

    def load(self) -> Source:
        """The source itself; reads nothing yet."""
        from datagen.sources.reviewed import Reviewed

        return Reviewed(self.path, pairs=self.of.load(), caps=self.caps)


SourceConfig = Annotated[
    ManifestConfig
    | ImagesConfig
    | Sa1bConfig
    | WebDatasetConfig
    | HuggingFaceConfig
    | CocoConfig
    | PairsConfig
    | SeedEditPart1Config
    | TryOnConfig
    | PairSources
    | GenerationSources
    | ReviewedConfig
    | MixConfig,
    Field(discriminator="kind"),
]


class AnySource(Options):
    """A source by itself, as commands take one."""

    source: SourceConfig
    """It."""


SOURCES: tuple[type[Options], ...] = (
    ManifestConfig, ImagesConfig, Sa1bConfig, WebDatasetConfig, HuggingFaceConfig, CocoConfig,
    PairsConfig, SeedEditPart1Config, TryOnConfig, *PAIR_SOURCES,
    *GENERATION_SOURCES, ReviewedConfig, MixConfig,
)  # fmt: skip
"""All of them, in the order in which `describe` lists them."""
