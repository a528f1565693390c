"""Redacts secrets in text, and escapes control characters that a terminal would execute."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping

_HIDDEN = "***"
_SECRET_NAME = re.compile(r"key|token|secret|password|passwd|credential", re.IGNORECASE)
_SHORTEST_SECRET = 8
"""In characters. Shorter values, such as `1`, would be replaced all over a message."""
_LOGIN = re.compile(r"(\b\w{1,20}://)(?:[^/\s@:]{0,200}:(?!\d{1,5}/)[^\s@?#]{1,200}|[^/\s@]{1,200})@")
"""User and password in an address. The password may contain slashes, as Amazon's do; a port is not a password."""
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
_MESSAGE_PATTERNS = (
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
"""Looser patterns, for messages: there a false match does no harm. Calls such as `token=read(x)` do not match."""
_SECRET_OPTION = re.compile(
    r"(?i)(\w+_)?(api_?key|secret|secret_?key|access_?key(_id)?|password|passwd|(auth|access|api|hf)_token)"
)
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
"""Control characters except tab and line feed, characters that change the writing direction, and lone surrogates."""


def redact(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """A message in which passwords, keys, and the values of secret environment variables are replaced by `***`.

    A variable is secret if its name says so, such as `HF_TOKEN`, and its value has at least 8 characters.
    """
    for _, value in _secrets_of(environ):
        text = text.replace(value, _HIDDEN)
    text = redact_address(text)
    for pattern, shown in _MESSAGE_PATTERNS:
        text = pattern.sub(shown, text)
    return text


def redact_address(address: str) -> str:
    """An address in which user, password, signatures and keys are replaced by `***`; others are returned unchanged."""
    if "@" not in address and "=" not in address:
        return address
    return _PARAMETER.sub(rf"\1{_HIDDEN}", _LOGIN.sub(rf"\1{_HIDDEN}@", address))


def secret_in(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """Which kind of secret a text that is to be stored contains, in words for a message; '' if none is found."""
    if _PASSWORD.search(text):
        return "a password in an address"
    if "://" in text and _PARAMETER.search(text):
        return "a signature or key in an address"
    if any(pattern.search(text) for pattern in _KEYS):
        return "what looks like a key of a service"
    named = (
        name for name, value in _secrets_of(environ) if value in text and not value.isalpha()
    )  # a plain word is no secret
    return next((f"the value of the variable {name}" for name in named), "")


def is_secret_option(name: str) -> bool:
    """Whether the name of an option is that of a secret, such as `api_key`."""
    return _SECRET_OPTION.fullmatch(name) is not None


def escape_control(text: str) -> str:
    """Text that is safe to print on a terminal: control characters are escaped, except tab and line feed."""
    return _CONTROL.sub(lambda sign: _escape_code(ord(sign[0])), text)


def _escape_code(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _secrets_of(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, value in environ.items():
        if len(value) >= _SHORTEST_SECRET and _SECRET_NAME.search(name):
            yield name, value
