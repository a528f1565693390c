"""YAML by libyaml, which is fast, is that of PyYAML alone: the same values, lines and bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from rings import example_count

from datagen.core import yaml_text
from datagen.core.errors import ConfigError
from datagen.core.yaml_text import to_yaml
from datagen.pipeline import yaml_file
from datagen.pipeline.yaml_file import Located, parse_yaml

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))
WORDS = (
    *(
        "a",
        "b: ",
        "- ",
        "x:\n",
        "  ",
        "\n",
        "#c",
        "'",
        '"',
        "yes",
        "1e3",
        "~",
        "|\n",
        ">-\n",
        "&a ",
        "*a",
        "!t ",
        "? ",
        "[",
    ),
    *(
        "]",
        "{",
        "}",
        ", ",
        "%",
        "\\",
        "\t",
        "\x85",
        "\u2028",
        "\ufeff",
        "\N{GRINNING FACE}",
        "key: value\n",
        "- item\n",
    ),
    *("  nested: 1\n", "<<: ", "=", "::", " #", "`", "0o7", "\xe9"),
)
"""What YAML gives a meaning to, and what the two parsers do not read alike."""
TEXTS = st.text(max_size=20) | st.lists(st.sampled_from(WORDS), max_size=20).map("".join)
DATA = st.recursive(
    TEXTS | st.integers() | st.floats(allow_nan=False) | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def _parsed(text: str) -> Located | str:
    try:
        return parse_yaml(text, name="c")
    except ConfigError as error:
        return str(error)


@settings(max_examples=example_count(300), deadline=None)
@given(text=st.lists(st.sampled_from(WORDS), max_size=14).map("".join))
def test_the_fast_parser_changes_neither_values_nor_lines_nor_messages(text: str) -> None:
    found = _parsed(f"a: 1\n{text}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yaml_file, "_FastLoader", None)
        assert repr(_parsed(f"a: 1\n{text}")) == repr(found)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_configs_are_read_by_the_fast_parser(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise AssertionError("the slow parser was called")

    plain = _parsed(path.read_text("utf-8"))
    monkeypatch.setattr(yaml_file, "_Loader", refused)
    assert _parsed(path.read_text("utf-8")) == plain


@settings(max_examples=example_count(300), deadline=None)
@given(data=st.dictionaries(TEXTS, DATA, max_size=4), width=st.sampled_from([80, 1000]), unicode=st.booleans())
def test_the_fast_writer_writes_the_same_bytes(data: dict[str, Any], width: int, unicode: bool) -> None:
    options: dict[str, Any] = {"width": width, "allow_unicode": unicode}
    assert to_yaml(data, **options) == yaml.safe_dump(data, sort_keys=False, **options)


def test_a_plain_mapping_is_written_by_the_fast_writer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_text.yaml, "safe_dump", None)
    assert to_yaml({"a": ["b c", 1]}) == "a:\n- b c\n- 1\n"
