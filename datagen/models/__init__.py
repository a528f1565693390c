"""Models that stages call: one module a role, one file an implementation."""

from __future__ import annotations

from typing import Any, get_args

from datagen.models.base import ModelConfig


def roles() -> dict[str, list[type[ModelConfig]]]:
    """The configs of every implementation, by role."""
    from datagen.models.aesthetic import PredictorConfig
    from datagen.models.box_asker import BoxAskerConfig
    from datagen.models.captioner import CaptionerConfig
    from datagen.models.completeness import CompletenessJudgeConfig
    from datagen.models.detector import DetectorConfig
    from datagen.models.editor import EditorConfig
    from datagen.models.embedder import DinoConfig, Dinov2Config
    from datagen.models.entity_finder import EntityFinderConfig
    from datagen.models.hasher import HasherConfig
    from datagen.models.inpainter import InpainterConfig
    from datagen.models.instruction_writer import InstructionWriterConfig
    from datagen.models.language.config import LanguageModelConfig
    from datagen.models.main_subject import MainSubjectJudgeConfig
    from datagen.models.nsfw import NsfwConfig
    from datagen.models.scorer import ScorerConfig
    from datagen.models.segmenter import SegmenterConfig
    from datagen.models.subject_extractor import SubjectExtractorConfig
    from datagen.models.subject_namer import SubjectNamerConfig
    from datagen.models.text_to_image import TextToImageConfig

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
        "captioner": CaptionerConfig,
        "language model": LanguageModelConfig,
        "image-text scorer": ScorerConfig,
        "image embedder": DinoConfig | Dinov2Config,
        "aesthetic predictor": PredictorConfig,
        "nsfw classifier": NsfwConfig,
        "hasher": HasherConfig,
    }
    return {role: _kinds(union) for role, union in found.items()}


def _kinds(union: Any) -> list[type[ModelConfig]]:
    if isinstance(union, type) and issubclass(union, ModelConfig):
        return [union]
    return [kind for part in get_args(union) for kind in _kinds(part)]
