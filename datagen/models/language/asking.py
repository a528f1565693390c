"""Roles that a language model fills: which model, and what it is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import pydantic

from datagen.core.errors import ConfigError
from datagen.models.base import ModelConfig
from datagen.models.language.config import LanguageModelConfig
from datagen.models.language.prompt import Kind, Prompt, read_prompt


class AskingConfig(ModelConfig):
    """Has a language model answer what a prompt asks; subclasses say what fills the prompt's slots."""

    remote: ClassVar[bool] = True
    deterministic: ClassVar[bool] = False
    slots: ClassVar[Mapping[str, Kind]] = {}
    """What a prompt for this role may ask for."""

    model: LanguageModelConfig
    """The model that is asked."""
    prompt: str
    """What it is told: a prompt that comes with datagen, or the path of one's own, which ends in .md."""

    @pydantic.field_validator("prompt")
    @classmethod
    def _readable(cls, prompt: str) -> str:
        try:
            read_prompt(prompt, offers=cls.slots)
        except ConfigError as error:
            raise ValueError(str(error)) from error
        return prompt

    @property
    def revision(self) -> str:
        """The version of the checks, and the words of the prompt; the model has a revision of its own."""
        return f"{super().revision}:{self.read_prompt().revision}"

    def read_prompt(self) -> Prompt:
        """The prompt as it is now. Raises `ConfigError`."""
        return read_prompt(self.prompt, offers=self.slots)
