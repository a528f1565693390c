"""What the families that are trained from a Stable Diffusion have in common: its weights, and how long a text is."""

from __future__ import annotations

from typing import Any, ClassVar, Final, Literal

from datagen.models.diffusion.config import DiffusersConfig
from datagen.models.weights.config import WeightsSourceConfig
from datagen.train.data.examples import TrainingExample
from datagen.train.data.selection import Facts, Needs
from datagen.train.models.family import Family
from datagen.train.models.tokenizers import tokenizer_of

PIXELS_A_LATENT: Final = 8
"""Side, in pixels, of what becomes one latent."""
TextKind = Literal["text", "instruction"]


class StableDiffusionFamily(Family, WeightsSourceConfig):
    """A model that is trained from a Stable Diffusion 1 or 2, in the folder that `save_pretrained` wrote."""

    packages: ClassVar[tuple[str, ...]] = ("torch", "diffusers", "transformers")
    extra: ClassVar[str] = "train"
    fetched: ClassVar[tuple[str, ...]] = DiffusersConfig.fetched

    words: TextKind = "text"
    """What the model reads: `text`, or `instruction`, which has placeholders for pictures; the other one where a sample
    lacks it."""

    @property
    def multiple(self) -> int:
        """What the sides of pictures have to be multiples of."""
        return PIXELS_A_LATENT

    def needs(self) -> Needs:  # type: ignore[override] # of a sample; those of `ModelConfig` are of a stage's record
        """A source, no references, and not more words than the text encoder takes."""
        return Needs(also=self._too_long)

    def words_of(self, sample: Facts | TrainingExample) -> str:
        """What the model reads of a sample."""
        first, other = (sample.text, sample.instruction)[:: 1 if self.words == "text" else -1]
        return first or other

    def _too_long(self, facts: Facts) -> str:
        """`too_many_tokens` if the words are more than the text encoder takes."""
        tokenizer = tokenizer_of(self)
        return "too_many_tokens" if token_count(tokenizer, self.words_of(facts)) > tokenizer.model_max_length else ""


def token_count(tokenizer: Any, text: str) -> int:
    """How many tokens a text has, with those that mark its beginning and end."""
    return len(tokenizer(text).input_ids)
