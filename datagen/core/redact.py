"""Redacts secrets in text, and escapes control characters that a terminal would execute.

Secrets are the values of environment variables: those that a config names as keys (`variables_named_in`), and those
whose own name says so. They are read from the environment at each call.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import takewhile
from typing import Any

from datagen.core.secret_forms import HIDDEN, holds, strike

SHORTEST_NAMED = 6
"""In characters, of a key that a config names. Shorter ones, such as `none`, would be struck out all over a dataset."""
_SHORTEST_SECRET = 8
"""The same for other variables, which only look like secrets by their names."""
_SHORTEST_LINE = 24
"""In characters, of a line of a secret that has several, such as a private key, to be a secret of its own."""
_LONGEST_WORD = 16
"""From this length on, even a value of letters alone is no plain word."""
_SECRET_NAME = re.compile(r"(?i)key|token|secret|password|passwd|credential|bearer|jwt|_(?:pat|auth|pass|pwd)$")
_NAMING_OPTION = re.compile(r"(?i).*_env", re.DOTALL)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SCHEME = re.compile(r"(?i)^(?:bearer|basic|token)\s+")
_CONTAINERS = r"(?!(?:abfss?|wasbs?)://)"
"""Of Azure's addresses: `container@account`, where no password is."""
_LOGIN = re.compile(
    rf"(\b{_CONTAINERS}\w{{1,20}}://)(?:[^/\s@:]{{0,2000}}:(?!\d{{1,5}}/)[^\s@?#]{{1,500}}"
    r"(?:@[^/\s@?#]{1,200}(?=@)){0,4}|[^/\s@]{1,2000})@"
)
"""User and password in an address. The password may contain slashes, as Amazon's do; a port is not a password."""
_PASSWORD = re.compile(
    rf"\b{_CONTAINERS}\w{{1,20}}://(?:[^/\s@:]{{0,2000}}:(?!\d{{1,5}}/)[^\s@?#]{{1,500}}"
    r"|(?=[^/\s@]*\d)(?=[^/\s@]*[A-Za-z])[^/\s@:]{12,2000})@"
)
"""The same, to refuse an address. A user alone counts if it looks like a token: letters and digits, 12 or more."""
_PARAMETER = re.compile(
    r"(?i)((?:[?&;#]|%3f|%26|%23|\\u0026)"
    r"(?:(?:[\w.-]{0,40}(?:signature|token|secret|password|passwd|credentials?|jwt|auth|authorization|bearer"
    r"|hmac|api[_-]?key|subscription[_-]key|access[_-]?key(?:[_-]?id)?)|sig|key|pwd)(?:=|%3d)"
    # what may be harmless is a secret if it looks like one: letters and digits, 12 or more
    r"|(?:[\w.-]{0,40}[_-])?(?:code|session|sid|ticket)(?:=|%3d)(?=[^&#\s\"']{12})"
    r"(?=[^&#\s\"']{0,99}[a-z])(?=[^&#\s\"']{0,99}\d)))"
    r"(?:(?!%26|%23|\\u0026)[^&#\s\"'])+"
)
_KEYS = (
    re.compile(r"\bsk-[\w-]{16,}"),
    re.compile(r"\bhf_[A-Za-z0-9]{20,}"),
    re.compile(r"\bgh[pousr]_[A-Za-z0-9]{20,}"),
    re.compile(r"\bxox[a-z]-[\w-]{8,}"),
    re.compile(r"\bAKIA[0-9A-Z]{16}\b"),
)
_MESSAGE_PATTERNS = (
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}"), rf"\1 {HIDDEN}"),
    (re.compile(r"\b(?:sk|pk|hf|ghp|xox[a-z])[-_][\w-]{8,}"), HIDDEN),
    (re.compile(r"\bAKIA[0-9A-Z]{12,}"), HIDDEN),
    (
        re.compile(
            r"(?i)((?:[_-]key|apikey|token|secret|password|signature|credential|sig)[\"']?\s{0,9}[=:]\s{0,9}[\"']?)"
            r"[^\s\"'&,;()\[\]]+?(?=:?(?:[\s\"'&,;\]]|$))"
        ),
        rf"\1{HIDDEN}",
    ),
)
"""Looser patterns, for messages: there a false match does no harm. Calls such as `token=read(x)` do not match."""
_SECRET_OPTION = re.compile(
    r"(?i)(\w+_)?(api_?key|secret|secret_?key|access_?key(_id)?|password|passwd|(auth|access|api|hf)_token)"
)
_NO_TEXT = frozenset((int, float, bool, type(None)))
"""Types of what a list may hold, often by the thousand, and that cannot hold a secret."""
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
"""Control characters except tab and line feed, characters that change the writing direction, and lone surrogates."""


_named: set[str] = set()
"""Variables that the configs of this process name as keys."""
_registered: set[str] = set()
"""Secrets that are in no variable."""


def register_variables(names: Iterable[str]) -> None:
    """From now on, redact the values of these environment variables in all text of this process."""
    _named.update(names)


def register_secret(value: str) -> None:
    """From now on, redact this value in all text of this process; for secrets that are in no environment variable."""
    _registered.add(value.strip())


def variables_named_in(options: Any) -> set[str]:
    """The environment variables that options name: the values of all whose name ends in `_env`, at any depth.

    `options` are plain data. A value may be a list or a mapping of names.
    """
    found: set[str] = set()
    for name, value in _items(options):
        is_naming = isinstance(name, str) and _NAMING_OPTION.fullmatch(name)
        found |= {text for text in _texts(value) if _VARIABLE.fullmatch(text)} if is_naming else set()
        found |= variables_named_in(value)
    return found


def redact(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """A message in which passwords, keys, and the values of secret environment variables are replaced by `***`.

    A variable is secret if a config names it as a key and its value has at least 6 characters (`SHORTEST_NAMED`), or
    if its name says so, such as `HF_TOKEN`, and its value has at least 8. Spaces around a value do not count. Values
    are found in every escaped form, see `secret_forms`.
    """
    secrets = _secrets(environ)
    text = strike(text, secrets)
    for secret in secrets:
        text = _without_start(text, secret)
    text = redact_address(text)
    for pattern, shown in _MESSAGE_PATTERNS:
        text = pattern.sub(shown, text)
    return text


def _without_start(text: str, secret: str) -> str:
    """The text without the first half of a secret, or more of it, as messages that are cut off have it."""
    head = secret[: max(_SHORTEST_SECRET, len(secret) // 2 + 1)]
    first, *rest = text.split(head)
    parts = [first]
    for after in rest:
        more = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(after, secret[len(head) :], strict=False)))
        parts += [HIDDEN, after[more:]]
    return "".join(parts)


def redact_data(data: Any, environ: Mapping[str, str] = os.environ) -> Any:
    """Plain data, as it is to be stored, with secrets in its texts replaced by `***`; the same object if it has none.

    Unlike `redact` it leaves alone what only looks like a secret: it replaces values of secret variables, but not plain
    words (fewer than 16 letters and nothing else) of variables that no config names, and secrets in addresses.
    """
    secrets = _data_secrets(environ)

    def redacted(text: str) -> str:
        struck = strike(text, secrets)
        return redact_address(struck) if "://" in struck else struck

    return _mapped(data, redacted)


def redact_values(data: Any, environ: Mapping[str, str] = os.environ) -> Any:
    """Like `redact_data`, but addresses stay as they are, for a later stage that reads what is there.

    Each call reads the environment, which takes longer than to search a short text: give it many texts as one list.
    """
    secrets = _data_secrets(environ)
    return _mapped(data, lambda text: strike(text, secrets)) if secrets else data


def _mapped(data: Any, change: Callable[[str], str]) -> Any:
    """Plain data with all its texts changed; the same object if none is."""
    if isinstance(data, str):
        return change(data)
    if isinstance(data, Mapping):
        found = {_mapped(name, change): _mapped(value, change) for name, value in data.items()}
        same = len(found) == len(data) and all(name in found and found[name] is data[name] for name in data)
        return data if same else found
    if isinstance(data, list | tuple):
        if _NO_TEXT.issuperset(map(type, data)):
            return data
        items = [_mapped(item, change) for item in data]
        if all(item is old for item, old in zip(items, data, strict=True)):
            return data
        return items if isinstance(data, list) else tuple(items)
    return data


def redact_address(address: str) -> str:
    """An address in which user, password, signatures and keys are replaced by `***`; others are returned unchanged.

    A parameter whose name says that it is a secret (`token`, `sig`, `auth`, `jwt`, `subscription-key`, ...) is one,
    whatever its value. `code`, `session`, `sid` and `ticket` are if the value looks like a key: letters and digits, at
    least 12 characters.
    """
    if "@" in address:
        address = _LOGIN.sub(rf"\1{HIDDEN}@", address)
    if "=" in address or "%3" in address:
        address = _PARAMETER.sub(rf"\1{HIDDEN}", address)
    return address


def secret_in(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """Which kind of secret a text that is to be stored contains, in words for a message; '' if none is found."""
    if _PASSWORD.search(text):
        return "a password in an address"
    if "://" in text and _PARAMETER.search(text):
        return "a signature or key in an address"
    if any(pattern.search(text) for pattern in _KEYS):
        return "what looks like a key of a service"
    named = (
        name
        for name, value in _variables(environ)
        if not is_plain_word(value) and holds(text, value) and not _is_path(value)
    )
    return next((f"the value of the variable {name}" for name in named), "")


def is_plain_word(value: str) -> bool:
    """Whether a value is made of fewer than 16 letters, and nothing else."""
    return value.isalpha() and len(value) < _LONGEST_WORD


def key_in(name: str, environ: Mapping[str, str] = os.environ) -> str:
    """The key in an environment variable: without spaces, quotes and a word such as `Bearer` around it; '' if none."""
    value = environ.get(name, "").strip()
    if value[:1] in ("'", '"') and value[:1] == value[-1:]:
        value = value[1:-1].strip()
    return _SCHEME.sub("", value)


def is_secret_option(name: str) -> bool:
    """Whether the name of an option is that of a secret, such as `api_key`."""
    return _SECRET_OPTION.fullmatch(name) is not None


def is_misplaced_key(name: str, value: str) -> bool:
    """Whether an option such as `api_key_env` holds no name of a variable, so that it may be the key itself."""
    names_secret = name.lower().endswith("_env") and is_secret_option(name[: -len("_env")])
    return names_secret and value != "" and not _VARIABLE.fullmatch(value)


def escape_control(text: str) -> str:
    """Text that is safe to print on a terminal: control characters are escaped, except tab and line feed."""
    return _CONTROL.sub(lambda sign: _escape_code(ord(sign[0])), text)


def _escape_code(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _variables(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Secret variables, each with its key."""
    for name in _secret_names(tuple(environ), frozenset(_named)):
        key = key_in(name, environ)
        if len(key) >= (SHORTEST_NAMED if name in _named else _SHORTEST_SECRET):
            yield name, key
        for line in key.split()[1:] if "\n" in key else ():  # a log has them one by one
            if len(line) >= _SHORTEST_LINE:
                yield name, line


def _secrets(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The secrets that are redacted in messages."""
    return _all(_variables(environ))


def _all(variables: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    registered = [value for value in _registered if len(value) >= SHORTEST_NAMED]
    return tuple(dict.fromkeys([*registered, *(key for _, key in variables)]))


def _data_secrets(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The secrets that are redacted in data too."""
    variables = [*_variables(environ)]
    harmless = {key for name, key in variables if _is_path(key) or (name not in _named and is_plain_word(key))}
    return tuple(secret for secret in _all(variables) if secret not in harmless)


@lru_cache(maxsize=16)
def _secret_names(names: tuple[str, ...], named: frozenset[str]) -> tuple[str, ...]:
    return tuple(name for name in names if name in named or _SECRET_NAME.search(name))


@lru_cache(maxsize=256)
def _is_path(value: str) -> bool:
    """Whether a value is the path of a file or folder, such as that of a file of keys."""
    try:
        return os.path.isabs(value) and os.path.exists(value)
    except ValueError:
        return False


def _items(data: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(data, Mapping):
        yield from data.items()
    elif isinstance(data, list | tuple):
        yield from enumerate(data)


def _texts(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    for _, value in _items(data):
        yield from _texts(value)
