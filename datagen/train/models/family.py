"""What the trainer asks of a family of models; each family's options are a subclass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from datagen.core.options import Options
from datagen.train.data.selection import Needs

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from datagen.imaging.image import Pixels
    from datagen.models.weights.config import WeightsSourceConfig
    from datagen.train.data.examples import TrainingExample


class Family(Options):
    """The options of a family, chosen by `kind`, and how its models are made, trained, saved and used.

    Importing a family imports no torch: `--help` and the reading of configs need none.
    """

    kind: str
    packages: ClassVar[tuple[str, ...]] = ("torch", "diffusers")
    """Modules that have to be importable, of the extra `train`."""
    encodes: ClassVar[bool] = False
    """Whether what `encode` makes of an example is worth storing. Then it is the same in any batch."""

    @property
    def multiple(self) -> int:
        """What the sides of pictures have to be multiples of."""
        raise NotImplementedError

    def fault_of_size(self, width: int, height: int) -> str:
        """What is wrong with training at a size, in pixels; '' if nothing is."""
        if width % self.multiple or height % self.multiple:
            return f"the model takes sides that are multiples of {self.multiple}"
        return ""

    def bases(self) -> tuple[WeightsSourceConfig, ...]:
        """The models whose weights it begins with."""
        return ()

    def needs(self) -> Needs:
        """What it needs of a sample."""
        raise NotImplementedError

    def build(self) -> nn.Module:
        """The model before training. Its parts that are not trained require no gradient. Raises `SetupError`.

        What is drawn at random is drawn from torch's global generator, which the trainer has seeded.
        """
        raise NotImplementedError

    def batch(self, model: nn.Module, examples: Sequence[TrainingExample]) -> dict[str, Tensor]:
        """Examples of one size as tensors on the CPU, the first axis of each of which counts examples.

        Raises `DataError` that names the example which the model cannot take.
        """
        raise NotImplementedError

    def encode(self, model: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:  # noqa: ARG002
        """What the parts that are not trained make of a batch, such as latents. Nothing here is random."""
        return {**batch}

    def losses(
        self, model: nn.Module, encoded: Mapping[str, Tensor], generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """The loss of each example, and the time at which it was taken, from 0 (no noise) to 1 (noise alone): B and B.

        All that is random is drawn from `generator`, which is the CPU's.
        """
        raise NotImplementedError

    def pipeline(self, model: nn.Module) -> Any:
        """The model as a pipeline of diffusers, which edits and can be saved."""
        raise NotImplementedError

    def save(self, model: nn.Module, folder: str) -> None:
        """Write the pipeline to a folder, from which `load_pipeline` reads it. Raises OSError."""
        self.pipeline(model).save_pretrained(folder)

    def load_pipeline(self, folder: str) -> Any:
        """The pipeline that `save` wrote to a folder. Raises whatever diffusers does."""
        raise NotImplementedError

    def edit(self, pipeline: Any, example: TrainingExample, *, seed: int) -> Pixels:
        """What the pipeline makes of an example's source, whose target it does not look at: HWC uint8.

        Raises `DataError` if the model cannot take the example.
        """
        raise NotImplementedError
