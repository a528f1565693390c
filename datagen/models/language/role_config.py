"""The base config of all roles that a language model fills: the model and the prompt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import pydantic

from datagen.core.errors import ConfigError
from datagen.models.base import ModelConfig
from datagen.models.language.config import LanguageModelConfig
from datagen.models.language.prompt import Kind, Prompt, read_prompt


class LanguageRoleConfig(ModelConfig):
    """A language model with a prompt. Subclasses declare which slots the prompt may have."""

    remote: ClassVar[bool] = True
    deterministic: ClassVar[bool] = False
    slots: ClassVar[Mapping[str, Kind]] = {}
    """The slots that a prompt for this role may have, with their kinds."""

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
        """The version of the implementation and the digest of the prompt. The model has a revision of its own."""
        return f"{super().revision}:{self.read_prompt().revision}"

    def read_prompt(self) -> Prompt:
        """The prompt, read anew from its file. Raises `ConfigError`."""
        return read_prompt(self.prompt, offers=self.slots)
