"""Models that stages call: one folder per role, one file per implementation.

In a role's folder, `base.py` has the Protocol and its types, each other file has one implementation with its config,
and `__init__.py` has the union of the configs that a stage's option takes.
"""

from __future__ import annotations

from typing import Any, get_args

from datagen.models.base import ModelConfig


def roles() -> dict[str, list[type[ModelConfig]]]:
    """The config classes of all implementations, by the role's name as `describe models` prints it."""
    from datagen.models.aesthetics import PredictorConfig
    from datagen.models.captioners import CaptionerConfig
    from datagen.models.completeness_judges import CompletenessJudgeConfig
    from datagen.models.critics import CriticConfig
    from datagen.models.decomposers import DecomposerConfig
    from datagen.models.detectors import DetectorConfig
    from datagen.models.edit_planners import EditPlannerConfig
    from datagen.models.editors import EditorConfig
    from datagen.models.embedders.dino import DinoConfig, Dinov2Config
    from datagen.models.entity_finders import EntityFinderConfig
    from datagen.models.extractors import SubjectExtractorConfig
    from datagen.models.generators import TextToImageConfig
    from datagen.models.grounders import BoxAskerConfig
    from datagen.models.hashers import HasherConfig
    from datagen.models.inpainters import InpainterConfig
    from datagen.models.instructions import InstructionWriterConfig
    from datagen.models.joiners import JoinerConfig
    from datagen.models.language.config import LanguageModelConfig
    from datagen.models.main_subjects import MainSubjectJudgeConfig
    from datagen.models.namers import SubjectNamerConfig
    from datagen.models.nsfw_filters import NsfwConfig
    from datagen.models.scene_checkers import SceneCheckerConfig
    from datagen.models.scorers import ScorerConfig
    from datagen.models.segmenters import SegmenterConfig
    from datagen.models.session_judges import SessionJudgeConfig
    from datagen.models.step_judges import StepJudgeConfig

    found = {
        "detector": DetectorConfig,
        "segmenter": SegmenterConfig,
        "inpainter": InpainterConfig,
        "editor": EditorConfig,
        "text-to-image": TextToImageConfig,
        "instruction writer": InstructionWriterConfig,
        "entity finder": EntityFinderConfig,
        "box asker": BoxAskerConfig,
        "completeness judge": CompletenessJudgeConfig,
        "subject namer": SubjectNamerConfig,
        "main subject judge": MainSubjectJudgeConfig,
        "subject extractor": SubjectExtractorConfig,
        "instruction decomposer": DecomposerConfig,
        "instruction joiner": JoinerConfig,
        "edit planner": EditPlannerConfig,
        "session judge": SessionJudgeConfig,
        "scene checker": SceneCheckerConfig,
        "step judge": StepJudgeConfig,
        "captioner": CaptionerConfig,
        "critic": CriticConfig,
        "language model": LanguageModelConfig,
        "image-text scorer": ScorerConfig,
        "image embedder": DinoConfig | Dinov2Config,  # scorers embed pictures too; they are listed once, under theirs
        "aesthetic predictor": PredictorConfig,
        "nsfw classifier": NsfwConfig,
        "hasher": HasherConfig,
    }
    return {role: _kinds(union) for role, union in found.items()}


def _kinds(union: Any) -> list[type[ModelConfig]]:
    if isinstance(union, type) and issubclass(union, ModelConfig):
        return [union]
    return [kind for part in get_args(union) for kind in _kinds(part)]
