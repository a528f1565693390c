"""The configs of the sources of pairs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from datagen.sources.base import Source
from datagen.sources.formats.base import ForeignOptions
from datagen.sources.formats.pairs.layout import Direction, TableLayout

_DIRECTIONS: dict[str, tuple[Direction, ...]] = {
    "forward": ("forward",),
    "inverse": ("inverse",),
    "both": ("forward", "inverse"),
}


_FOLDERS = "`form: folders` reads its authors' own folders"


class _Pairs(ForeignOptions):
    """Options of the datasets of pairs that may be tables."""

    path: str = Field(min_length=1)
    """Address of the dataset's folder, or a glob of its Parquet files."""
    split: str = ""
    """Which split of Parquet files; all, if not given."""

    def _table(
        self, layout: TableLayout, *, directions: tuple[Direction, ...] = ("forward",), hint: str = ""
    ) -> Source:
        from datagen.sources.formats.pairs.tables import PairTable

        default = {"license": self.license, "credit": self.credit}
        return PairTable(self.path, split=self.split, layout=layout, directions=directions, default=default, hint=hint)


class InstructPix2PixConfig(_Pairs):
    """InstructPix2Pix, as Parquet or in its authors' folders; not verified on real data."""

    kind: Literal["instructpix2pix"] = "instructpix2pix"
    """Pairs that GPT-3 and Stable Diffusion made."""
    form: Literal["parquet", "folders"] = "parquet"
    """`folders` hold prompt.json and pairs such as 123_0.jpg, 123_1.jpg."""

    def load(self) -> Source:
        """The source itself; reads nothing yet."""
        from datagen.sources.formats.pairs.instructpix2pix import InstructPix2PixFolders

        if self.form == "folders":
            return InstructPix2PixFolders(self.path, license=self.license, credit=self.credit)
        layout = TableLayout("original_image", "edited_image", "edit_prompt")
        layout = layout._replace(source_caption="original_prompt", target_caption="edited_prompt")
        return self._table(layout, hint=_FOLDERS)


class UltraEditConfig(_Pairs):
    """UltraEdit, free-form and region-based, as Parquet; not verified on real data."""

    kind: Literal["ultraedit"] = "ultraedit"
    """Pairs that SDXL Turbo made of captions of real pictures."""
    license: str = "CC-BY-4.0"
    """Licence of every picture, as the dataset's card has it."""

    def load(self) -> Source:
        """The source itself; reads nothing yet."""
        layout = TableLayout("source_image", "edited_image", "edit_prompt", "source_caption", "target_caption")
        return self._table(layout._replace(local_if="edit_object"))  # which only region-based edits have


class MagicBrushConfig(_Pairs):
    """MagicBrush, as Parquet or as folders; not verified on real data."""

    kind: Literal["magicbrush"] = "magicbrush"
    """Turns of sessions that people made."""
    form: Literal["parquet", "folders"] = "parquet"
    """`folders` hold edit_sessions.json and images/SESSION/."""
    license: str = "CC-BY-4.0"
    """Licence of every picture, as the dataset's card has it."""
    group_by: str = "session"
    """Field whose equal values keep consecutive rows in one slice; '' for none."""

    def load(self) -> Source:
        """The source itself; reads nothing yet."""
        from datagen.sources.formats.pairs.magicbrush import MagicBrushFolders

        if self.form == "folders":
            return MagicBrushFolders(self.path, license=self.license, credit=self.credit)
        layout = TableLayout("source_img", "target_img", "instruction", session="img_id", turn="turn_index")
        layout = layout._replace(reach="local")  # all were made in a mask that people drew
        return self._table(layout, hint=_FOLDERS)


class HqEditConfig(_Pairs):
    """HQ-Edit, as Parquet; not verified on real data."""

    kind: Literal["hq_edit"] = "hq_edit"
    """Pairs that GPT-4V and DALL-E 3 made, each with a request that leads back."""
    direction: Literal["forward", "inverse", "both"] = "forward"
    """From input to output, back, or both, which makes two records of a row, in one `session`."""
    license: str = "CC-BY-NC-4.0"
    """Licence of every picture, as the dataset's card has it."""

    def load(self) -> Source:
        """The source itself; reads nothing yet."""
        layout = TableLayout("input_image", "output_image", "edit", "input", "output", inverse_text="inverse_edit")
        return self._table(layout, directions=_DIRECTIONS[self.direction])


class SeedEditPart23Config(ForeignOptions):
    """SEED-Data-Edit parts 2 and 3: edits from the web, and sessions that people made; not verified on real data."""

    kind: Literal["seed_edit_part2_3"] = "seed_edit_part2_3"
    """JSON lines that name pictures in a folder; of sessions, one record a turn."""
    path: str = Field(min_length=1)
    """Address of the folder of annotations, with all below it, of one .jsonl file, or a glob."""
    images: str = Field(min_length=1)
    """Address of the folder from which the annotations' file names count."""
    license: str = "CC-BY-NC-4.0"
    """Licence of every picture, as the dataset's card has it."""
    group_by: str = "session"
    """Field whose equal values keep consecutive rows in one slice; '' for none."""

    def load(self) -> Source:
        """The source itself; reads nothing yet."""
        from datagen.sources.formats.pairs.seed_edit_turns import SeedEditTurns

        return SeedEditTurns(self.path, images=self.images, license=self.license, credit=self.credit)


class GierConfig(ForeignOptions):
    """GIER, whose pairs have several wordings of one request; not verified on real data."""

    kind: Literal["gier"] = "gier"
    """Photographs, requests, and what people made of them."""
    path: str = Field(min_length=1)
    """Address of its JSON file."""
    images: str = ""
    """Address of the folder of pictures; `images` beside the file, if not given."""
    wordings: Literal["first", "all"] = "first"
    """One record a pair, or one for every request; packing drops all but one of those that name operators."""

    def load(self) -> Source:
        """The source itself; reads nothing yet."""
        from datagen.sources.formats.pairs.gier import Gier

        return Gier(
            self.path, images=self.images, wordings=self.wordings, license=self.license, credit=self.credit
        )  # fmt: skip


PairSources = (
    InstructPix2PixConfig | UltraEditConfig | MagicBrushConfig | HqEditConfig | SeedEditPart23Config | GierConfig
)
PAIR_SOURCES = (
    InstructPix2PixConfig, UltraEditConfig, MagicBrushConfig, HqEditConfig, SeedEditPart23Config, GierConfig,
)  # fmt: skip
"""All of them."""
