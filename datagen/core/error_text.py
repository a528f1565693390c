"""Text of errors and values of foreign code: of bounded length, and made without raising an error itself."""

from __future__ import annotations

import reprlib
import traceback
from collections.abc import Callable

from datagen.core.errors import DatagenError
from datagen.core.redact import redact

MOST_KEPT = (12_000, 4_000)
"""Characters of a long text that are kept from its start and from its end."""
_MOST_OF_A_LINE = (2_000, 500)
"""The same of one line of a traceback, so that the name of the exception is among what is kept of all."""
LONGEST_SECRET = 4_096
"""In characters. So much is dropped beside a cut, where a secret that is cut in two would not be recognised."""


def shortened(text: str, *, keep: tuple[int, int] = MOST_KEPT, clean: Callable[[str], str] = redact) -> str:
    """A text in which `clean` replaced secrets; of a long one the start and the end, and how much was left out.

    It is cut before `clean` sees it, because striking secrets out of a long text takes minutes.
    """
    head, tail = keep
    margin = 4 * LONGEST_SECRET  # what is cleaned becomes shorter
    if len(text) > head + tail + 2 * margin:
        start = clean(text[: head + margin])[:-LONGEST_SECRET][:head]
        end = clean(text[-tail - margin :])[LONGEST_SECRET:][-tail:]
    else:
        text = clean(text)
        if len(text) <= head + tail:
            return text
        start, end = text[:head], text[-tail:]
    return f"{start}\n[... {len(text) - head - tail:,} characters are left out here ...]\n{end}"


def message_of(error: BaseException) -> str:
    """The message of an exception, without secrets; an exception whose `__str__` raises has none."""
    return _try_foreign(
        lambda: shortened(str(error)), lambda fault: f"(its message cannot be made: {type(fault).__name__})"
    )


def describe_error(error: BaseException) -> str:
    """What a record that failed has as its error: the message of a `DatagenError`, of any other the traceback."""
    if isinstance(error, DatagenError):
        return message_of(error)
    return _try_foreign(
        lambda: shortened(
            "".join(shortened(line, keep=_MOST_OF_A_LINE) for line in traceback.format_exception(error)).strip()
        ),
        lambda _: f"{type(error).__name__}: {message_of(error)}",
    )


def brief(value: object) -> str:
    """At most 60 characters of the `repr` of a value, which is not made as a whole where it is long."""
    # A number of more than 4300 digits has no `repr`.
    return _try_foreign(lambda: _BRIEF.repr(value)[:60], lambda _: "that cannot be shown")


def _try_foreign(make: Callable[[], str], otherwise: Callable[[BaseException], str]) -> str:
    """The text that `make` gives. Methods of foreign objects run in it, which may raise anything."""
    try:
        return make()
    except KeyboardInterrupt:
        raise
    except BaseException as fault:
        return otherwise(fault)


_BRIEF = reprlib.Repr()
_BRIEF.maxstring = _BRIEF.maxother = _BRIEF.maxlong = 60
