"""GenRef's layout, which ReflectionFlow's trainer reads: WebDataset shards of flawed and good pictures.

Source: facts about train_flux/train/data.py of Diffusion-CoT/ReflectionFlow at fd7b1c8, whose code is not used here. A
sample is `good_image.jpg`, `bad_image.jpg`, `reflection.txt`, `prompt.txt` and `subset.txt`, and training fails at one
that lacks a member. Of a reflection of fewer than 5 characters the trainer takes no notice: it learns the pair without.
"""

from __future__ import annotations

import io
import tarfile
from collections import Counter
from typing import ClassVar, Final

from datagen.export.layouts import LayoutOptions
from datagen.export.lessons import Lesson, UnfitSampleError
from datagen.imaging.image import PILLOW_LIMIT, Image

SUBSET: Final = "rule"
"""The name in `subset.txt`, one of general, length, rule and editing. The trainer compares it with nothing stripped."""
LEAST_REFLECTION: Final = 5
"""Characters of the shortest reflection that the trainer uses."""
_SHARD_SAMPLES = 1000
_QUALITY = 95


class ReflectionFlowLayout:
    """Shards `000000.tar`, ... of a thousand samples each."""

    tasks: ClassVar[frozenset[str]] = frozenset({"refine"})
    max_tokens: ClassVar[int] = 0

    def __init__(self, options: LayoutOptions) -> None:
        self._options = options
        self._samples = 0
        self._shard: tarfile.TarFile | None = None

    def add(self, lesson: Lesson) -> Counter[str]:
        """Write a lesson as five members of a shard. The correction has no place: the critique is the reflection."""
        reflection, prompt = lesson.info.steps[0].critique.strip(), lesson.info.captions.target.strip()
        if len(reflection) < LEAST_REFLECTION:
            raise UnfitSampleError("short_reflection", f"the trainer ignores {reflection!r}, which is too short")
        if not prompt:
            raise UnfitSampleError("no_prompt", "captions.target, which says what the picture should show, is empty")
        bad, good = (_jpeg(lesson.pictures[use.member]) for use in lesson.uses)
        members = {
            "bad_image.jpg": bad,
            "good_image.jpg": good,
            "prompt.txt": prompt.encode(),
            "reflection.txt": reflection.encode(),
            "subset.txt": SUBSET.encode(),
        }
        shard = self._next_shard()
        for name, data in members.items():
            entry = tarfile.TarInfo(f"{lesson.key}.{name}")
            entry.size, entry.mode = len(data), 0o644
            shard.addfile(entry, io.BytesIO(data))
        self._samples += 1
        return lesson.without_place + Counter({"correction": 1})

    def close(self) -> None:
        """Finish the last shard."""
        if self._shard is not None:
            self._shard.close()

    def _next_shard(self) -> tarfile.TarFile:
        """The shard for the next sample."""
        number, place = divmod(self._samples, _SHARD_SAMPLES)
        if self._shard is None or place == 0:
            self.close()
            path = self._options.folder / f"{number:06d}.tar"
            self._shard = tarfile.TarFile(path, "w", format=tarfile.USTAR_FORMAT)
        return self._shard


def _jpeg(data: bytes) -> bytes:
    """The picture as a JPEG file; its own bytes if it is one."""
    return Image.decode(data, max_pixels=PILLOW_LIMIT).stored("jpg", quality=_QUALITY, keep_original=True)
