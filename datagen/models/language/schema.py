"""The JSON schema of an answer, for servers that constrain a model to it.

The schema holds the class names and docstrings of the shapes. They are sent with each call and are part of the key of
the stored reply: to change one asks every question anew.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel

_SUPPORTED = ("type", "description", "enum", "anyOf", "items", "minItems", "maxItems", "properties", "$ref", "$defs")
"""Keywords that OpenAI's strict mode, vLLM, SGLang and llama.cpp all support. We check the rest in the answer."""
_LONGEST_NAME = 64


@cache
def strict_schema(shape: type[BaseModel]) -> dict[str, Any]:
    """The schema of a shape, with all properties required, no others allowed, and only commonly supported keywords."""
    schema = _strict(shape.model_json_schema())
    assert isinstance(schema, dict)
    return schema


@cache
def schema_name(shape: type[BaseModel]) -> str:
    """The name of the schema, of characters that servers allow."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", shape.__name__)[:_LONGEST_NAME]


def _strict(node: Any) -> Any:
    if isinstance(node, list):
        return [_strict(item) for item in node]
    if not isinstance(node, Mapping):
        return node
    found = {**node, **_equivalents(node)}
    result = {word: _strict_value(word, found[word]) for word in _SUPPORTED if word in found}
    if "properties" in result:
        # strict mode refuses optional properties, and objects that may have others
        result |= {"required": list(result["properties"]), "additionalProperties": False}
    return result


def _equivalents(node: Mapping[str, Any]) -> dict[str, Any]:
    words: dict[str, Any] = {}
    if "const" in node:
        words["enum"] = [node["const"]]
    if "oneOf" in node:
        words["anyOf"] = node["oneOf"]
    if parts := node.get("prefixItems"):
        words["items"] = parts[0] if all(part == parts[0] for part in parts) else {"anyOf": parts}
    return words


def _strict_value(word: str, value: Any) -> Any:
    if word in ("properties", "$defs"):
        return {name: _strict(part) for name, part in value.items()}
    return value if word in ("enum", "type") else _strict(value)
