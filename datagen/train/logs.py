"""Where metrics and pictures of a training go besides its own files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from datagen.core.errors import SetupError
from datagen.imaging.image import Pixels
from datagen.models.weights.packages import import_package


class TrainingLog(Protocol):
    """Takes numbers and pictures of a training as it goes on."""

    def metrics(self, row: Mapping[str, Any], *, step: int) -> None:
        """The numbers of a step or an evaluation; lists hold one number for each part, None where there is none."""

    def picture(self, name: str, picture: Pixels, *, step: int) -> None:
        """A picture, HWC uint8."""

    def close(self) -> None:
        """Nothing more follows."""


def numbers_of(row: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """The numbers of a row by name: those of a list as `name/0`, `name/1`, ..., and none for the step itself."""
    for name, value in row.items():
        parts = (
            {f"{name}/{place}": part for place, part in enumerate(value)} if isinstance(value, list) else {name: value}
        )
        yield from ((part, float(number)) for part, number in parts.items() if number is not None and part != "step")


class TensorBoardLog:
    """TensorBoard's files, in the folder `tensorboard` of the training."""

    def __init__(self, folder: Path, *, name: str, step: int, options: Mapping[str, Any]) -> None:  # noqa: ARG002
        """What an earlier run logged after `step` is hidden, as it is done again. Raises `SetupError`."""
        tensorboard: Any = import_package("torch.utils.tensorboard", extra="train")
        self._writer = tensorboard.SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1 if step else None)

    def metrics(self, row: Mapping[str, Any], *, step: int) -> None:
        """The numbers of a row, each as a scalar."""
        for name, number in numbers_of(row):
            self._writer.add_scalar(name, number, step)

    def picture(self, name: str, picture: Pixels, *, step: int) -> None:
        """A picture, HWC uint8."""
        self._writer.add_image(name, picture, step, dataformats="HWC")

    def close(self) -> None:
        """Write what is buffered."""
        self._writer.close()


class WandbLog:
    """A run of Weights & Biases, in the project `datagen`; it goes on with the run of the same folder."""

    def __init__(self, folder: Path, *, name: str, step: int, options: Mapping[str, Any]) -> None:  # noqa: ARG002
        """`options` are the training's config. Raises `SetupError` if the package is missing or cannot log in."""
        self._wandb: Any = import_package("wandb", extra="wandb")
        try:
            known = folder / "wandb.txt"
            identity = known.read_text("utf-8").strip() if known.exists() else None
            self._run = self._wandb.init(
                project="datagen", name=name, dir=str(folder), id=identity, resume="allow", config=dict(options)
            )
            known.write_text(f"{self._run.id}\n", "utf-8")
        except Exception as error:  # the package raises errors of its own, and those of the network
            remedy = "run `wandb login`, set WANDB_MODE=offline, or take wandb out of `log`"
            raise SetupError(f"log: wandb cannot be used ({type(error).__name__}: {error}); {remedy}") from error

    def metrics(self, row: Mapping[str, Any], *, step: int) -> None:
        """The numbers of a row."""
        self._run.log(dict(numbers_of(row)), step=step)

    def picture(self, name: str, picture: Pixels, *, step: int) -> None:
        """A picture, HWC uint8."""
        self._run.log({name: self._wandb.Image(picture)}, step=step)

    def close(self) -> None:
        """Send what is buffered."""
        self._run.finish()


LOGS: Final[dict[str, Callable[..., TrainingLog]]] = {"tensorboard": TensorBoardLog, "wandb": WandbLog}
"""The logs that a config can name."""
