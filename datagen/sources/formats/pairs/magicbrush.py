"""MagicBrush as folders: `edit_sessions.json` and `images/SESSION/`.

`edit_sessions.json` is `{session: [{input, mask, output, instruction}, ...]}`, the
names those of files in `images/SESSION/`; beside it `global_descriptions.json`
may tell what each picture shows, `{session: {file: caption}}`, as the authors'
`evaluation/image_eval.py` and `edit_cli_single_multi_turn.py` read them. All
edits were made in a mask that people drew, so each is local.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from datagen.core.errors import ConfigError
from datagen.sources.base import SourceRow, escaped
from datagen.sources.file_listing import Place
from datagen.sources.formats.pairs.rows import inside, listed, pair, read_json
from datagen.sources.id_set import once
from datagen.sources.rows import PAIR_FIELDS, faulty

SESSIONS, CAPTIONS = "edit_sessions.json", "global_descriptions.json"
_CALLED = {"text": "instruction", "uri": "input", "target_uri": "output"}


class MagicBrushFolders:
    """One record a turn; its id is the session and the turn's number, from 1."""

    writes = PAIR_FIELDS

    def __init__(self, path: str, *, license: str, credit: str) -> None:
        self.path = path
        self._place = Place(path)
        self._default = {key: value for key, value in (("license", license), ("credit", credit)) if value}

    def check(self) -> None:
        """Raise `ConfigError` if a local folder has no sessions."""
        self._place.check_scheme()
        if self._place.is_local:
            self._document(SESSIONS)

    def count(self) -> int | None:
        """How many turns there are; None where they are not on this machine, or one is none."""
        if not self._place.is_local:
            return None
        return sum(len(turns) if isinstance(turns, list) else 1 for turns in self._document(SESSIONS).values())

    def rows(self) -> Iterator[SourceRow]:
        """Turns, session by session, as the file has them."""
        yield from once(self._all(), place=self.path, empty=f"{self.path}/{SESSIONS}: holds no sessions")

    def _all(self) -> Iterator[SourceRow]:
        captions = self._document(CAPTIONS) if CAPTIONS in self._place.siblings("") else {}
        for session, turns in self._document(SESSIONS).items():
            where = f"{self._place.base}{SESSIONS}: session '{session:.100}'"
            try:
                edits = listed(turns, where="it")
            except ValueError as error:
                yield faulty(escaped(session) or "%session", f"{where}: {error}")
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
            folder = inside("images/", f"{session}/")
            data = {
                **self._default,
                "id": id,
                "uri": inside(folder, before),
                "target_uri": inside(folder, after),
                "text": edit.get("instruction"),
                "source_caption": shown.get(str(before)),
                "target_caption": shown.get(str(after)),
                "session": session,
                "turn": number,
                "reach": "local",
            }
        except ValueError as error:
            return faulty(escaped(id), f"{where}: {error}")
        return pair(data, base=self._place.base, where=where, called=_CALLED)

    def _document(self, name: str) -> dict[str, Any]:
        """A JSON file of the folder. Raises `ConfigError`."""
        found = read_json(self._place, name)
        if not isinstance(found, dict):
            raise ConfigError(f"{self._place.base}{name}: holds {type(found).__name__}, not a JSON object by session")
        return found
