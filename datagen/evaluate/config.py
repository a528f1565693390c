"""The config of an evaluation: which networks and judges there are, and how pictures are compared."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from datagen.core.options import Options
from datagen.models.dense_encoders.efficientnet_lite import EfficientNetLiteConfig
from datagen.models.embedders.dino import DinoConfig, Dinov2Config
from datagen.models.language.config import LanguageModelConfig
from datagen.models.perceptual_distances import PerceptualDistanceConfig
from datagen.models.scorers.clip import ClipConfig
from datagen.pipeline.config import validated_file
from datagen.pipeline.yaml_file import Located, read_yaml

ProtocolName = Literal["mcie", "gedit", "imgedit", "complex-edit"]


class GradingConfig(Options):
    """One judge: a vision-language model and what it grades by."""

    protocol: ProtocolName
    """`mcie`: instruction compliance 1 to 10 and background consistency 1 to 5. `gedit`: success, over-editing and
    quality, 0 to 10. `imgedit`: three grades from 1 to 5. `complex-edit`: three grades from 0 to 10."""
    model: LanguageModelConfig
    """The model that grades: it has to take pictures."""
    draws: int = Field(default=1, ge=1, le=100)
    """How often each output is graded; grades are averaged."""

    @model_validator(mode="after")
    def _draws_differ(self) -> GradingConfig:
        if self.draws > 1 and self.model.temperature == 0:
            raise ValueError(f"{self.draws} draws at temperature 0 are one draw; set `model.temperature`, such as 1")
        return self

    @property
    def name(self) -> str:
        """What its scores are called by: protocol, model and draws."""
        return f"{self.protocol} by {self.model.model}, {self.draws} draw{'s' * (self.draws > 1)}"


class EvaluationConfig(Options):
    """What outputs are measured by. All of it is optional."""

    clip: ClipConfig | None = None
    """For CLIP-I, CLIP-T and the CLIP direction, such as `{weights: openai/clip-vit-base-patch32}`."""
    dino: DinoConfig | None = None
    """For DINO, such as `{weights: facebook/dino-vits16}`."""
    dinov2: Dinov2Config | None = None
    """For DINOv2, such as `{weights: facebook/dinov2-base}`."""
    lpips: PerceptualDistanceConfig | None = None
    """For LPIPS: a folder with AlexNet and the published heads."""
    effnet: EfficientNetLiteConfig | None = EfficientNetLiteConfig()
    """For EffNet-I, by a wheel that may be installed; null leaves it out."""
    judges: tuple[GradingConfig, ...] = ()
    """Vision-language models that grade outputs."""
    concurrency: int = Field(default=16, ge=1, le=1024)
    """Outputs that are graded at the same time."""

    @field_validator("judges")
    @classmethod
    def _names_differ(cls, judges: tuple[GradingConfig, ...]) -> tuple[GradingConfig, ...]:
        names = [judge.name for judge in judges]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"two judges are called '{twice[0]}'; a model behind two servers needs two names")
        return judges


def load_evaluation(path: Path | None, *, sets: Iterable[str] = ()) -> EvaluationConfig:
    """Read a config, or none, apply each `a.b=c` of `sets`, and validate. Raises `ConfigError` that names the line."""
    located = read_yaml(path) if path else Located({}, {})
    return validated_file(EvaluationConfig, located, sets=sets)
