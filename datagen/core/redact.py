"""What may be told and kept: text without secrets, and without signs that a terminal would obey."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping

_HIDDEN = "***"
_SECRET_NAME = re.compile(r"key|token|secret|password|passwd|credential", re.IGNORECASE)
_SHORTEST_SECRET = 8
_LOGIN = re.compile(r"(\b\w{1,20}://)(?:[^/\s@:]{0,200}:(?!\d{1,5}/)[^\s@?#]{1,200}|[^/\s@]{1,200})@")
"""Of an address; the password may have slashes in it, as Amazon's have. A port is none."""
_PASSWORD = re.compile(r"\b\w{1,20}://[^/\s@:]{0,200}:(?!\d{1,5}/)[^\s@?#]{1,200}@")
_PARAMETER = re.compile(
    r"(?i)([?&;](?:[\w.-]{0,40}(?:signature|token|secret|password|credential|api[_-]?key|accesskeyid)|sig|key)=)"
    r"[^&#\s\"']+"
)
_KEYS = (
    re.compile(r"\bsk-[\w-]{16,}"),
    re.compile(r"\bhf_[A-Za-z0-9]{20,}"),
    re.compile(r"\bgh[pousr]_[A-Za-z0-9]{20,}"),
    re.compile(r"\bxox[a-z]-[\w-]{8,}"),
    re.compile(r"\bAKIA[0-9A-Z]{16}\b"),
)
_TOLD = (
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}"), rf"\1 {_HIDDEN}"),
    (re.compile(r"\b(?:sk|pk|hf|ghp|xox[a-z])[-_][\w-]{8,}"), _HIDDEN),
    (re.compile(r"\bAKIA[0-9A-Z]{12,}"), _HIDDEN),
    (
        re.compile(
            r"(?i)((?:[_-]key|apikey|token|secret|password|signature|credential|sig)[\"']?\s{0,9}[=:]\s{0,9}[\"']?)"
            r"[^\s\"'&,;()\[\]]+?(?=:?(?:[\s\"'&,;\]]|$))"
        ),
        rf"\1{_HIDDEN}",
    ),
)
"""In a message, where one struck out too many does no harm; calls such as `token=read(x)` stay."""
_SECRET_OPTION = re.compile(
    r"(?i)(\w+_)?(api_?key|secret|secret_?key|access_?key(_id)?|password|passwd|(auth|access|api|hf)_token)"
)
_OBEYED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
"""Control characters but for tab and line feed, what turns the direction of writing, and halves of characters."""


def redacted(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """A message without passwords in addresses, keys, or the values of variables that are named like secrets."""
    for _, value in _secrets_of(environ):
        text = text.replace(value, _HIDDEN)
    text = public(text)
    for pattern, shown in _TOLD:
        text = pattern.sub(shown, text)
    return text


def public(address: str) -> str:
    """An address without user, password, signature or key; one that has none comes back as it is."""
    if "@" not in address and "=" not in address:
        return address
    return _PARAMETER.sub(rf"\1{_HIDDEN}", _LOGIN.sub(rf"\1{_HIDDEN}@", address))


def secret_in(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """What secret a text holds that is to be kept, in words; '' if none is known to be in it."""
    if _PASSWORD.search(text):
        return "a password in an address"
    if "://" in text and _PARAMETER.search(text):
        return "a signature or key in an address"
    if any(pattern.search(text) for pattern in _KEYS):
        return "what looks like a key of a service"
    named = (name for name, value in _secrets_of(environ) if value in text and not value.isalpha())  # a word is none
    return next((f"the value of the variable {name}" for name in named), "")


def is_secret_option(name: str) -> bool:
    """Whether an option is named like one that takes a secret."""
    return _SECRET_OPTION.fullmatch(name) is not None


def printable(text: str) -> str:
    """Text that a terminal shows and does not obey: control characters but tab and line feed are written out."""
    return _OBEYED.sub(lambda sign: _written_out(ord(sign[0])), text)


def _written_out(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _secrets_of(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, value in environ.items():
        if len(value) >= _SHORTEST_SECRET and _SECRET_NAME.search(name):
            yield name, value
