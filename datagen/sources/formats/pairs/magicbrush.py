"""MagicBrush as folders: `edit_sessions.json` and `images/SESSION/`.

`edit_sessions.json` is `{session: [{input, mask, output, instruction}, ...]}`, where the names are those of files in
`images/SESSION/`. `global_descriptions.json` beside it is optional and has the captions, `{session: {file: caption}}`.
The authors' `evaluation/image_eval.py` and `edit_cli_single_multi_turn.py` read them so. All edits were made inside a
mask that a person drew, so each is local; `mask_uri` is the address of that mask.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from datagen.core.errors import ConfigError
from datagen.sources.base import Source, SourceRow, escape_id
from datagen.sources.file_listing import FileListing
from datagen.sources.formats.pairs.layout import TableLayout
from datagen.sources.formats.pairs.rows import as_list, build_pair, path_inside, read_json
from datagen.sources.formats.pairs.tables import FOLDERS_HINT, PairTableOptions
from datagen.sources.id_set import with_unique_ids
from datagen.sources.rows import MASKED_PAIR_FIELDS, faulty_row


class MagicBrushConfig(PairTableOptions):
    """MagicBrush, as Parquet or as folders; not verified on real data."""

    kind: Literal["magicbrush"] = "magicbrush"
    """Turns of sessions that people made."""
    form: Literal["parquet", "folders"] = "parquet"
    """`folders` hold edit_sessions.json and images/SESSION/."""
    license: str = "CC-BY-4.0"
    """Licence of every picture, as the dataset's card has it."""
    group_by: str = "session"
    """Field whose equal values keep consecutive rows in one slice; '' for none."""

    def load(self) -> Source:
        """The source itself; reads nothing yet."""
        if self.form == "folders":
            return MagicBrushFolders(self.path, license=self.license, credit=self.credit)
        layout = TableLayout("source_img", "target_img", "instruction", session="img_id", turn="turn_index")
        layout = layout._replace(reach="local", mask="mask_img")  # all were made in a mask that people drew
        return self._pair_table(layout, hint=FOLDERS_HINT)


SESSIONS, CAPTIONS = "edit_sessions.json", "global_descriptions.json"
_CALLED = {"text": "instruction", "uri": "input", "target_uri": "output"}


class MagicBrushFolders:
    """One record for each turn. Its id is the session and the number of the turn, from 1."""

    writes = MASKED_PAIR_FIELDS

    def __init__(self, path: str, *, license: str, credit: str) -> None:
        self.path = path
        self._listing = FileListing(path)
        self._default = {key: value for key, value in (("license", license), ("credit", credit)) if value}

    def check(self) -> None:
        """Raise `ConfigError` if a local folder has no sessions."""
        self._listing.check_scheme()
        if self._listing.is_local:
            self._document(SESSIONS)

    def count(self) -> int | None:
        """The number of turns, where a faulty session counts as one; None if they are not on this machine."""
        if not self._listing.is_local:
            return None
        return sum(len(turns) if isinstance(turns, list) else 1 for turns in self._document(SESSIONS).values())

    def rows(self) -> Iterator[SourceRow]:
        """The turns, session by session, in the order of the file."""
        yield from with_unique_ids(self._all(), path=self.path, empty=f"{self.path}/{SESSIONS}: holds no sessions")

    def _all(self) -> Iterator[SourceRow]:
        captions = self._document(CAPTIONS) if CAPTIONS in self._listing.siblings("") else {}
        for session, turns in self._document(SESSIONS).items():
            where = f"{self._listing.base}{SESSIONS}: session '{session:.100}'"
            try:
                edits = as_list(turns, where="it")
            except ValueError as error:
                yield faulty_row(escape_id(session) or "%session", f"{where}: {error}")
                continue
            shown = captions.get(session)
            for number, edit in enumerate(edits, 1):
                yield self._turn(session, number, edit, shown if isinstance(shown, dict) else {}, where)

    def _turn(self, session: str, number: int, edit: Any, shown: dict[str, Any], where: str) -> SourceRow:
        id, where = f"{session}/{number}", f"{where}, turn {number}"
        try:
            if not isinstance(edit, dict):
                raise ValueError(f"is {type(edit).__name__}, not a JSON object")
            before, after = edit.get("input"), edit.get("output")
            folder = path_inside("images/", f"{session}/")
            data = {
                **self._default,
                "id": id,
                "uri": path_inside(folder, before),
                "target_uri": path_inside(folder, after),
                "mask_uri": path_inside(folder, edit.get("mask")) or "",
                "text": edit.get("instruction"),
                "source_caption": shown.get(str(before)),
                "target_caption": shown.get(str(after)),
                "session": session,
                "turn": number,
                "reach": "local",
            }
        except ValueError as error:
            return faulty_row(escape_id(id), f"{where}: {error}")
        return build_pair(data, base=self._listing.base, where=where, called=_CALLED)

    def _document(self, name: str) -> dict[str, Any]:
        """A JSON file of the dataset's folder. Raises `ConfigError` if it cannot be read, or is not an object."""
        found = read_json(self._listing, name)
        if not isinstance(found, dict):
            raise ConfigError(f"{self._listing.base}{name}: holds {type(found).__name__}, not a JSON object by session")
        return found
