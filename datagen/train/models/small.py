"""The options of the family `small`; its net is in `small_net`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator

from datagen.train.data.selection import BoxRule, Needs
from datagen.train.models.family import Family

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from datagen.imaging.image import Pixels
    from datagen.train.data.examples import TrainingExample
    from datagen.train.models.small_net import SmallEditNet, SmallEditPipeline


class SmallConfig(Family):
    """A small editor, trained from scratch."""

    kind: Literal["small"] = "small"
    channels: tuple[int, ...] = Field(default=(32, 64), min_length=1)
    """Of each level of the U-Net, from fine to coarse; multiples of 16."""
    fold: int = Field(default=4, ge=1)
    """Side, in pixels, of what becomes one cell."""
    text_width: int = Field(default=64, ge=8, multiple_of=4)
    """Of the encoded words."""
    words: int = Field(default=24, ge=1)
    """Most words of a sub-instruction; what goes beyond is cut off."""
    vocabulary: int = Field(default=4096, ge=2)
    """Numbers that words are hashed to."""
    most_edits: int = Field(default=4, ge=1)
    """Most single edits of a sample; samples with more are not used."""
    boxes: BoxRule = "whole_picture"
    """`required`: samples without boxes are not used; `whole_picture`: an edit without a box may be anywhere; `unused`:
    boxes are not looked at."""
    sampling_steps: int = Field(default=4, ge=1)
    """Steps from noise to a picture."""

    @field_validator("channels")
    @classmethod
    def _in_groups(cls, channels: tuple[int, ...]) -> tuple[int, ...]:
        if wrong := [width for width in channels if width < 16 or width % 16]:
            raise ValueError(f"{wrong[0]} channels: multiples of 16 are wanted")
        return channels

    @property
    def multiple(self) -> int:
        """What the sides of pictures have to be multiples of."""
        return multiple_of(self.fold, len(self.channels))

    def needs(self) -> Needs:
        """What it needs of a sample."""
        return Needs(source=False, boxes=self.boxes, most_references=0, most_edits=self.most_edits)

    def build(self) -> SmallEditNet:
        """A net with random weights."""
        from datagen.train.models.small_net import SmallEditNet

        net: SmallEditNet = SmallEditNet(
            channels=list(self.channels),
            fold=self.fold,
            text_width=self.text_width,
            words=self.words,
            vocabulary=self.vocabulary,
        )
        return net

    @property
    def uses_boxes(self) -> bool:
        """Whether boxes are looked at."""
        return self.boxes != "unused"

    def batch(self, model: nn.Module, examples: Sequence[TrainingExample]) -> dict[str, Tensor]:  # noqa: ARG002
        """Examples of one size as tensors: `source` and `target` B,3,H,W, `tokens` B,m,L and `boxes` B,m,4."""
        from datagen.train.models.small_net import batch_of

        return batch_of(examples, uses_boxes=self.uses_boxes, words=self.words, vocabulary=self.vocabulary)

    def losses(
        self, model: nn.Module, encoded: Mapping[str, Tensor], generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """The loss of each example, and the time, 0 to 1, at which it was taken: B and B."""
        from datagen.train.models.small_net import losses_of

        return losses_of(model, encoded, generator)

    def pipeline(self, model: nn.Module) -> SmallEditPipeline:
        """The net as a pipeline that edits and can be saved."""
        from datagen.train.models.small_net import SmallEditPipeline

        return SmallEditPipeline(model, self.sampling_steps, self.uses_boxes)

    def load_pipeline(self, folder: str) -> SmallEditPipeline:
        """The pipeline in a folder."""
        from datagen.train.models.small_net import SmallEditPipeline

        pipeline: SmallEditPipeline = SmallEditPipeline.from_pretrained(folder, local_files_only=True)
        return pipeline

    def edit(self, pipeline: SmallEditPipeline, example: TrainingExample, *, seed: int) -> Pixels:
        """What a pipeline makes of an example's source: HWC uint8."""
        from datagen.train.models.small_net import edited

        return edited(pipeline, example, uses_boxes=self.uses_boxes, seed=seed)


def multiple_of(fold: int, levels: int) -> int:
    """What the sides of pictures have to be multiples of."""
    return int(fold * 2 ** (levels - 1))
