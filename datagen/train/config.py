"""A training's config: its pydantic models, and how it is loaded from a file and `--set`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from datagen.core.errors import ConfigError
from datagen.core.options import PACE, Options
from datagen.pipeline.config import Name, validated_file
from datagen.pipeline.yaml_file import read_yaml
from datagen.train.data.checking import CheckKind
from datagen.train.data.examples import Crop
from datagen.train.models import FamilyConfig
from datagen.train.models.small import SmallConfig

Address = Annotated[str, StringConstraints(min_length=1)]
Side = Annotated[int, Field(ge=8, le=8192)]


class TrainingSet(Options):
    """One dataset to train on."""

    path: Address
    """Folder or address of a finished dataset."""
    split: Literal["train", "val"] | None = "train"
    """Which part of it; null for all of it."""
    weight: float = Field(default=1, gt=0, le=1000)
    """How often each sample is shown in an epoch; 0.5 is once in two."""
    most: int | None = Field(default=None, ge=1)
    """Most samples that are used of it, chosen by a hash of their keys; null for all. A larger number keeps those that
    a smaller one had."""


class DataOptions(Options):
    """What is trained on."""

    datasets: tuple[TrainingSet, ...] = Field(min_length=1)
    """Finished datasets, mixed by their weights."""
    check: Annotated[CheckKind, PACE] = "sizes"
    """What is looked at before the first step: that all shards are there with their `sizes`, or their `checksums` too,
    which reads every byte."""
    sizes: tuple[tuple[Side, Side], ...] = Field(default=((32, 32),), min_length=1)
    """Widths and heights to train at. A sample goes to the one with the nearest ratio of sides, and is scaled and cut
    to it, never distorted."""
    flip: float = Field(default=0.5, ge=0, le=1)
    """How often a sample is mirrored, with its boxes and the words left and right."""
    crop: Crop = "random"
    """What is cut off of a sample whose ratio of sides differs from the size's, each time that it is shown."""
    keep_encoded: Annotated[Address | None, PACE] = None
    """Folder or bucket where latents and text states of examples are stored, so that the autoencoder and the text
    encoder are needed for the first showing alone."""
    cache: Annotated[Address | None, PACE] = None
    """Folder of this machine to which the shards of datasets in a bucket are copied as they are first read; without
    one, each sample is one ranged read. Nothing is removed from it."""
    loader: Literal["grain", "webdataset"] = "grain"
    """`grain`: in an exact order, with exact resumption. `webdataset`: shards are streamed from beginning to end, and
    shuffled in a buffer; a training that is resumed sees other samples than an unbroken one."""
    workers: Annotated[int, PACE] = Field(default=0, ge=0, le=256)
    """Processes that load ahead; with 0 it is done in threads. It changes the speed alone."""

    @field_validator("sizes")
    @classmethod
    def _all_differ(cls, sizes: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
        if len(set(sizes)) < len(sizes):
            raise ValueError("a size stands twice; name each once")
        return sizes


class OptimizerOptions(Options):
    """AdamW, and how its learning rate runs."""

    learning_rate: float = Field(default=2e-3, gt=0, le=1)
    """The highest one."""
    warmup_steps: int = Field(default=100, ge=0)
    """Steps over which it rises from zero."""
    decay_from: float = Field(default=0.6, ge=0, le=1)
    """Share of all steps after which it falls, in a line, to a fiftieth."""
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.99)
    """Of AdamW."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Of AdamW."""
    clip: float = Field(default=1.0, gt=0)
    """Largest norm of a gradient; a larger one is scaled down to it."""


class CheckpointOptions(Options):
    """When the state of the training is stored."""

    every: int = Field(default=500, ge=1)
    """Steps between two."""
    keep: int = Field(default=2, ge=1)
    """How many of the newest stay."""


class EvaluationOptions(Options):
    """What is looked at on the way: always the same samples, noise and times."""

    every: int = Field(default=500, ge=1)
    """Steps between two."""
    split: Literal["train", "val"] | None = "val"
    """The part of each dataset that is looked at; null for all of it."""
    samples: int = Field(default=64, ge=1)
    """Samples whose loss is taken, the first of each dataset in turn."""
    pictures: int = Field(default=8, ge=0)
    """Of these, how many are edited and drawn: source, edit, and target."""


class TrainConfig(Options):
    """A whole config file."""

    # What is marked PACE decides nothing about the weights: a training goes on with other values of it.
    train: Name
    """Its name."""
    description: Annotated[str, PACE] = ""
    """What it trains, for the model card."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Seeds weights, order, noise, and all else that is drawn."""
    out: Annotated[str, PACE] = ""
    """Where checkpoints and the model go; `out/train/<its name>` if not given. `--out` goes before it."""
    data: DataOptions
    """What is trained on."""
    model: FamilyConfig = SmallConfig()
    """The family of model, selected by `kind`, and its options."""
    steps: int = Field(ge=1)
    """Updates of the weights."""
    batch_size: int = Field(default=32, ge=1)
    """Samples of one update, of all processes together."""
    micro_batch: int | None = Field(default=None, ge=1)
    """Samples that are computed at once; the gradients of the parts of a batch are added up. Less memory, same result
    but for rounding."""
    gradient_checkpointing: Annotated[bool, PACE] = False
    """Compute parts of the model twice instead of holding what they computed: less memory, more time."""
    optimizer: OptimizerOptions = OptimizerOptions()
    """How the weights are updated."""
    ema: float = Field(default=0.999, ge=0, lt=1)
    """Decay of the running mean of the weights, which is what the model is saved with; 0 saves the last weights."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Of the computation; weights and optimizer stay fp32."""
    device: Annotated[str, PACE] = "auto"
    """`cpu`, `cuda`, `cuda:1`, ...; `auto` takes a GPU if there is one."""
    processes: Annotated[int, PACE] = Field(default=1, ge=1, le=64)
    """Processes of this machine that share each batch, each on a GPU of its own where there are GPUs. With more than
    one `micro_batch` has to be given: what is drawn follows from it, and so is the same for any number of processes."""
    threads: Annotated[int | None, PACE] = Field(default=None, ge=1)
    """Cores of a computation on the CPU, of each process; if not given, torch's own choice, or each one's share of all
    where there are several processes. Fewer are faster on a busy machine."""
    checkpoints: Annotated[CheckpointOptions, PACE] = CheckpointOptions()
    """When the state is stored."""
    evaluation: Annotated[EvaluationOptions, PACE] = EvaluationOptions()
    """What is looked at on the way."""
    log: Annotated[tuple[Literal["tensorboard", "wandb"], ...], PACE] = ()
    """Where metrics and pictures go besides `metrics.jsonl`: `tensorboard` into the folder `tensorboard`, `wandb` to
    Weights & Biases, whose package is to be installed."""

    @model_validator(mode="after")
    def _sizes_fit_the_model(self) -> TrainConfig:
        for width, height in self.data.sizes:
            if fault := self.model.fault_of_size(width, height):
                raise ValueError(f"size {width}x{height}: {fault}")
        return self

    @model_validator(mode="after")
    def _processes_share_a_batch(self) -> TrainConfig:
        if self.processes == 1:
            return self
        if self.data.loader != "grain":
            raise ValueError(f"data.loader: {self.data.loader} loads for one process; use grain, or processes: 1")
        if self.micro_batch is None or self.batch_size % (self.processes * self.micro_batch):
            raise ValueError(
                f"processes: {self.processes} cannot share a batch of {self.batch_size} in parts of "
                f"{self.micro_batch or 'no given size'}; give a micro_batch, and make batch_size a multiple of "
                "processes times micro_batch"
            )
        if self.device not in ("auto", "cpu", "cuda"):
            raise ValueError(f"device: '{self.device}' is one for all {self.processes} processes; write cuda, or cpu")
        return self

    @model_validator(mode="after")
    def _has_something_to_keep(self) -> TrainConfig:
        if self.data.keep_encoded and not self.model.encodes:
            raise ValueError(
                f"data.keep_encoded: a model of the family '{self.model.kind}' encodes nothing; leave it out"
            )
        return self

    @property
    def place(self) -> str:
        """Where checkpoints and the model go."""
        return self.out or f"out/train/{self.train}"


def load_training(path: Path, *, sets: Iterable[str] = (), out: str = "") -> TrainConfig:
    """Read a config, apply each `a.b=c` of `sets`, and validate. Raises `ConfigError` that names the line."""
    located = read_yaml(path)
    if "pipeline" in located.data and "train" not in located.data:
        raise ConfigError(f"{path}: is a pipeline's config, which makes a dataset: python -m datagen run {path}")
    config = validated_file(TrainConfig, located, sets=sets)
    return config.model_copy(update={"out": out}) if out else config
