"""Finds secrets in text, as they are and in the escaped forms in which servers, logs and JSON repeat them.

The escapes are not undone exactly. Text and secret are both brought to a simple form, in which `a"b`, `a\\"b` and
`a%22b` are the same; so text that was escaped several times, or only in part, is found too.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

HIDDEN = "***"
"""What stands in the place of a secret."""
_SHORTEST = 6
"""Fewest characters of a form that is searched for."""
_SHORTEST_BASE64 = 7
"""Fewest base64 digits that are searched for: of 42 bits, a match by chance is out of the question."""
_LEVELS = 4
"""How often text may have been escaped."""
_SIGN = re.compile(r"[\\%&+]")
"""What all escaped text has. A plus is a space in a query."""
_ESCAPE = re.compile(
    r"\\+(?:[uU]\{(?P<braced>[0-9a-fA-F]{1,6})\}|u(?P<short>[0-9a-fA-F]{4})|U(?P<long>[0-9a-fA-F]{8})"
    r"|[xX](?P<byte>[0-9a-fA-F]{2}))?"
    r"|(?P<octets>(?:%[0-9a-fA-F]{2})+)"
    r"|&(?:#(?P<decimal>[0-9]{1,7})|#[xX](?P<hex>[0-9a-fA-F]{1,6})|(?P<entity>amp|lt|gt|quot|apos));"
    r"|(?P<wide>[\U00010000-\U0010ffff])"
)
_ENTITIES = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_SIMPLE = str.maketrans("\n\r\t\b\f\v\a ", "nrtbfva+")
r"""As a backslash alone is dropped, a line feed and its escape `\n` are both `n`."""


def strike(text: str, secrets: Sequence[str]) -> str:
    """The text with `***` in the place of each secret; the same object if it has none.

    Takes time that is linear in the length of the text.
    """
    needles = _needles(tuple(secrets))
    while spans := list(_spans(text, needles)):  # again, as what stood around a secret may be one: with asterisks in it
        text = _with_hidden(text, spans)
    return text


def holds(text: str, secret: str) -> bool:
    """Whether the text has the secret in any of its forms."""
    return next(_spans(text, _needles((secret,))), None) is not None


@lru_cache(maxsize=256)
def _needles(secrets: tuple[str, ...]) -> tuple[str, ...]:
    """All forms of all secrets, the shortest first."""
    return tuple(sorted({form for secret in secrets for form in _forms(secret)}, key=len))


def _spans(text: str, needles: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Where one of `needles` is, as start and end in `text`."""
    if not needles or len(text) < len(needles[0]):
        return
    level, found = text, _present(text, needles)
    for depth in range(1 + (_LEVELS if _SIGN.search(text) else 0)):
        if depth:
            before, level = level, _simplified(level)
            found = _present(level, needles)
            if level == before:
                return
        if found:
            starts, ends = _origins(text, depth)
            for needle in found:
                yield from ((starts[at], ends[at + len(needle) - 1]) for at in _places(needle, level))


def _present(text: str, needles: Iterable[str]) -> list[str]:
    return [needle for needle in needles if needle in text]


def _places(needle: str, text: str) -> Iterator[int]:
    at = text.find(needle)
    while at >= 0:
        yield at
        at = text.find(needle, at + len(needle))


def _with_hidden(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """The text with `***` for each span; spans that overlap are one."""
    parts: list[str] = []
    end = 0
    for start, stop in sorted(spans):
        if start >= end:
            parts += [text[end:start], HIDDEN]
        end = max(end, stop)
    return "".join([*parts, text[end:]])


def _forms(secret: str) -> tuple[str, ...]:
    """The secret, its simple forms, and what it is in base64 (also as a part of longer text) and in hexadecimal."""
    data = secret.encode("utf-8", "surrogatepass")
    escaped = json.dumps(secret)[1:-1].encode()
    as_bytes = data.decode("latin-1")  # as text of bytes has it, b'\xc3\xa9'
    simple = {form for start in (secret, as_bytes) for form in _levels(start)}
    digits = {_base64_core(each, offset) for each in {data, escaped} for offset in range(3)}
    digits |= {core.replace("+", "-").replace("/", "_") for core in digits}
    forms = {secret, data.hex(), data.hex().upper(), *(form for form in simple if len(form) >= _SHORTEST)}
    return tuple(sorted(forms | {core for core in digits if len(core) >= _SHORTEST_BASE64}))


def _levels(text: str) -> Iterator[str]:
    for _ in range(_LEVELS + 1):
        yield text
        text = _simplified(text)


def _base64_core(data: bytes, offset: int) -> str:
    """The base64 digits that depend on `data` alone where `offset` bytes, modulo 3, stand before it."""
    digits = base64.b64encode(b"\0" * offset + data).decode()
    return digits[-(-8 * offset // 6) : 8 * (offset + len(data)) // 6]


def _simplified(text: str) -> str:
    """The text with escapes undone once, backslashes dropped, and spaces and line feeds as their escapes leave them.

    Characters of more than 16 bits become pairs of surrogates, as in JSON.
    """
    return _ESCAPE.sub(_unescaped, text).translate(_SIMPLE)


def _unescaped(escape: re.Match[str]) -> str:
    if wide := escape["wide"]:
        return _in_units(wide)
    if octets := escape["octets"]:
        return _in_units(bytes.fromhex(octets.replace("%", "")).decode("utf-8", "replace"))
    if name := escape["entity"]:
        return _ENTITIES[name]
    if digits := escape["decimal"]:
        return _character(int(digits))
    number = escape["braced"] or escape["short"] or escape["long"] or escape["byte"] or escape["hex"]
    return _character(int(number, 16)) if number else ""


def _character(code: int) -> str:
    return _in_units(chr(code)) if code < 0x110000 else ""


def _in_units(text: str) -> str:
    """The text in units of 16 bits, each a character."""
    if text.isascii():
        return text
    units = text.encode("utf-16-be", "surrogatepass")
    return "".join(chr(int.from_bytes(units[at : at + 2])) for at in range(0, len(units), 2))


def _origins(text: str, depth: int) -> tuple[Sequence[int], Sequence[int]]:
    """For each character of the text, simplified `depth` times, where in `text` it starts and ends."""
    starts: Sequence[int] = range(len(text))
    ends: Sequence[int] = range(1, len(text) + 1)
    for _ in range(depth):
        new_starts: list[int] = []
        new_ends: list[int] = []
        done = 0
        for escape in _ESCAPE.finditer(text):
            first, last = escape.span()
            made = len(_unescaped(escape))
            new_starts += [*starts[done:first], *[starts[first]] * made]
            new_ends += [*ends[done:first], *[ends[last - 1]] * made]
            done = last
        starts, ends = [*new_starts, *starts[done:]], [*new_ends, *ends[done:]]
        text = _simplified(text)
    return starts, ends
