"""The JSON schema of an answer, as servers take it that hold a model to one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel

_KEPT = ("type", "description", "enum", "anyOf", "items", "minItems", "maxItems", "properties", "$ref", "$defs")
"""What OpenAI's strict mode, vLLM, SGLang and llama.cpp all know; the rest is checked when the answer is here."""
_LONGEST_NAME = 64


@cache
def strict_schema(shape: type[BaseModel]) -> dict[str, Any]:
    """The schema of a shape: every property required, none besides, and only words that every server knows."""
    schema = _strict(shape.model_json_schema())
    assert isinstance(schema, dict)
    return schema


@cache
def schema_name(shape: type[BaseModel]) -> str:
    """A name for it of the signs that are allowed."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", shape.__name__)[:_LONGEST_NAME]


def _strict(node: Any) -> Any:
    if isinstance(node, list):
        return [_strict(item) for item in node]
    if not isinstance(node, Mapping):
        return node
    found = {**node, **_in_other_words(node)}
    kept = {word: _below(word, found[word]) for word in _KEPT if word in found}
    if "properties" in kept:
        kept |= {"required": list(kept["properties"]), "additionalProperties": False}
    return kept


def _in_other_words(node: Mapping[str, Any]) -> dict[str, Any]:
    words: dict[str, Any] = {}
    if "const" in node:
        words["enum"] = [node["const"]]
    if "oneOf" in node:
        words["anyOf"] = node["oneOf"]
    if parts := node.get("prefixItems"):
        words["items"] = parts[0] if all(part == parts[0] for part in parts) else {"anyOf": parts}
    return words


def _below(word: str, value: Any) -> Any:
    if word in ("properties", "$defs"):
        return {name: _strict(part) for name, part in value.items()}
    return value if word in ("enum", "type") else _strict(value)
