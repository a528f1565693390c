"""InstructPix2Pix as its authors published it: a folder for each prompt, with pairs of pictures in it.

`seeds.json` lists `[folder, [seed, ...]]`. Each folder has `prompt.json`, and `SEED_0.jpg` (before) and `SEED_1.jpg`
(after) for each seed, as `edit_dataset.py` and `dataset_creation/prepare_dataset.py` read and write them. The caption
of the picture before the edit is called `input` in the published files, but `caption` in those that the authors'
`generate_txt_dataset.py` writes: both are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Literal, NamedTuple

from datagen.core.errors import ConfigError
from datagen.fetch import reason
from datagen.sources.base import Source, SourceRow, escape_id
from datagen.sources.file_listing import FileListing
from datagen.sources.formats.pairs.layout import TableLayout
from datagen.sources.formats.pairs.rows import as_list, build_pair, read_json
from datagen.sources.formats.pairs.tables import FOLDERS_HINT, PairTableOptions
from datagen.sources.id_set import with_unique_ids
from datagen.sources.manifest import parse_json
from datagen.sources.rows import PAIR_FIELDS, faulty_row


class InstructPix2PixConfig(PairTableOptions):
    """InstructPix2Pix, as Parquet or in its authors' folders; not verified on real data."""

    kind: Literal["instructpix2pix"] = "instructpix2pix"
    """Pairs that GPT-3 and Stable Diffusion made."""
    form: Literal["parquet", "folders"] = "parquet"
    """`folders` hold prompt.json and pairs such as 123_0.jpg, 123_1.jpg."""

    def load(self) -> Source:
        """The source itself; reads nothing yet."""
        if self.form == "folders":
            return InstructPix2PixFolders(self.path, license=self.license, credit=self.credit)
        layout = TableLayout("original_image", "edited_image", "edit_prompt")
        layout = layout._replace(source_caption="original_prompt", target_caption="edited_prompt")
        return self._pair_table(layout, hint=FOLDERS_HINT)


SEEDS, PROMPT = "seeds.json", "prompt.json"
_BEFORE, _AFTER = "_0.jpg", "_1.jpg"
_AT_ONCE = 256
"""Prompts that are read concurrently."""
_LARGEST = 2**20
_CALLED = {"text": "edit", "source_caption": "input", "target_caption": "output"}


class _Folder(NamedTuple):
    path: str
    seeds: Sequence[str]


class InstructPix2PixFolders:
    """One record for each pair. Its id is the folder and the seed. If `seeds.json` exists, only its pairs are read."""

    writes = PAIR_FIELDS

    def __init__(self, path: str, *, license: str, credit: str) -> None:
        self.path = path
        self._listing = FileListing(path)
        self._default = {key: value for key, value in (("license", license), ("credit", credit)) if value}

    def check(self) -> None:
        """Raise `ConfigError` if a local folder has no pair."""
        self._listing.check_scheme()
        if self._listing.is_local and next(self._folders(), None) is None:
            raise ConfigError(self._empty())

    def _empty(self) -> str:
        return f"{self.path}: holds no folder with {PROMPT} and pairs such as 123{_BEFORE}, 123{_AFTER}"

    def count(self) -> int | None:
        """The number of pairs; None if they are not on this machine."""
        return sum(len(folder.seeds) for folder in self._folders()) if self._listing.is_local else None

    def rows(self) -> Iterator[SourceRow]:
        """The pairs, folder by folder."""
        yield from with_unique_ids(self._all(), path=self.path, empty=self._empty())

    def _all(self) -> Iterator[SourceRow]:
        folders = self._folders()
        while some := list(islice(folders, _AT_ONCE)):
            prompts = self._listing.read_some([f"{folder.path}{PROMPT}" for folder in some], most=_LARGEST)
            for folder in some:
                yield from self._pairs(folder, prompts[f"{folder.path}{PROMPT}"])

    def _folders(self) -> Iterator[_Folder]:
        if self._listing.is_file():
            raise ConfigError(f"{self.path}: is a file; give the folder of the dataset")
        if not self._listing.pattern and SEEDS in self._listing.siblings(""):
            yield from self._listed()
            return
        for folder in self._listing.folders():
            seeds = [name.removesuffix(_BEFORE) for name in folder.files if name.endswith(_BEFORE)]
            if seeds and PROMPT in folder.files:
                yield _Folder(folder.path, seeds)

    def _listed(self) -> Iterator[_Folder]:
        where = f"{self._listing.base}{SEEDS}"
        found = read_json(self._listing, SEEDS)
        try:
            for entry in as_list(found, where="the file"):
                name, seeds = as_list(entry, where="an entry")
                if not _is_name(name) or not all(_is_name(seed) for seed in as_list(seeds, where=f"'{name}'")):
                    raise ValueError(f"an entry is [folder, [seed, ...]], all of them names, this one {entry!r:.100}")
                yield _Folder(f"{name}/", seeds)
        except ValueError as error:
            raise ConfigError(f"{where}: {error}") from error

    def _pairs(self, folder: _Folder, prompt: bytes | Exception) -> Iterator[SourceRow]:
        where = f"{self._listing.base}{folder.path}{PROMPT}"
        try:
            texts = _parse_prompt(prompt)
        except ValueError as error:
            for seed in folder.seeds:
                yield faulty_row(escape_id(f"{folder.path}{seed}"), f"{where}: {error}")
            return
        for seed in folder.seeds:
            stem = f"{folder.path}{seed}"
            data = {**self._default, **texts, "id": stem, "uri": f"{stem}{_BEFORE}", "target_uri": f"{stem}{_AFTER}"}
            yield build_pair(data, base=self._listing.base, where=where, called=_CALLED)


def _parse_prompt(prompt: bytes | Exception) -> dict[str, Any]:
    """The instruction and the two captions in a prompt file. Raises `ValueError`."""
    if isinstance(prompt, Exception):
        raise ValueError(f"cannot be read: {reason(prompt)}") from prompt
    found = parse_json(prompt)
    if not isinstance(found, dict):
        raise ValueError(f"holds {type(found).__name__}, not a JSON object")
    if "edit" not in found:
        raise ValueError(f"has no key 'edit'; it has: {', '.join(map(str, found)):.200}")
    before = found.get("input", found.get("caption"))
    return {"text": found["edit"], "source_caption": before, "target_caption": found.get("output")}


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and bool(name) and "/" not in name and name not in (".", "..")
