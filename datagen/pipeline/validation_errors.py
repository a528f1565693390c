"""Turn pydantic's validation errors into lines with file, line number and the nearest valid name."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from datagen.core.errors import nearest
from datagen.pipeline.yaml_file import Located, Place

_WANTED = {
    **dict.fromkeys(("tuple_type", "list_type", "set_type", "frozen_set_type", "iterable_type"), "a list"),
    **dict.fromkeys(("dict_type", "mapping_type", "model_type", "model_attributes_type"), "a mapping"),
    **dict.fromkeys(("string_type", "string_sub_type", "string_unicode"), "text"),
    **dict.fromkeys(("int_type", "int_parsing", "int_parsing_size", "int_from_float"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    "finite_number": "a finite number",
    "none_required": "null",
    "string_pattern_mismatch": "text of the form {pattern}",
    "string_too_short": "text of {min_length} or more characters",
    "string_too_long": "text of {max_length} or fewer characters",
    "too_short": "a {container} of at least {min_length}",
    "too_long": "a {container} of at most {max_length}",
}
"""What the value has to be, in the words of YAML, by pydantic's type of error."""
_MAX_SHOWN = 80
"""Characters of a value that are shown."""


def explain(error: ValidationError, model: type[BaseModel], located: Located, place: Place) -> list[str]:
    """One line for each place with an error. `place` is where `model` was read from in the file."""
    faults = error.errors(include_url=False)
    deep = {fault["loc"][:depth] for fault in faults for depth in range(len(fault["loc"]))}
    # a list whose items are wrong is also reported as too short
    relevant = [fault for fault in faults if not (fault["type"] == "too_short" and fault["loc"] in deep)]
    by_place: dict[Place, list[Any]] = {}
    for fault in relevant:
        by_place.setdefault(_real_place(fault, located.data, place), []).append(fault)
    return [_line(spot, group, model, located.origin((*place, *spot))) for spot, group in by_place.items()]


def in_yaml(value: Any) -> str:
    """A value for a message: at most 80 characters, and `null`, `true` and `false` as in YAML."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 3] + "..."


def _line(spot: Place, group: list[Any], model: type[BaseModel], where: str) -> str:
    """The line for one place. A union gives one error for each of its types; they become one line."""
    path = ".".join(str(step) for step in spot) or "the config"
    wanted = [_wanted(fault, model) for fault in group]
    if all(wanted):
        none = " (for none, write '')" if group[0]["input"] is None and wanted == ["text"] else ""
        return f"{where}: '{path}' is {in_yaml(group[0]['input'])}; it has to be {_either(wanted)}{none}"
    others = [fault for fault, words in zip(group, wanted, strict=True) if not words]
    return f"{where}: {_describe_fault(others[0], model, path)}"


def _either(words: list[str]) -> str:
    *first, last = dict.fromkeys(words)
    return f"{', '.join(first)} or {last}" if first else last


def _wanted(fault: Any, model: type[BaseModel]) -> str:
    """The type that the value needs, in the words of YAML; '' if its type is not the problem."""
    context = fault.get("ctx", {})
    container = "mapping" if context.get("field_type") == "Dictionary" else "list"
    words = _WANTED.get(fault["type"], "").format(**{**context, "container": container})
    kinds = [_kind(owner) for owner in _models_at(model, fault["loc"]) if _kind(owner)]
    if words == "a mapping" and kinds:
        kind = fault["input"] if fault["input"] in kinds else min(kinds)
        return f"a mapping, such as {{kind: {kind}}}"
    return words


def _real_place(fault: Any, data: Any, place: Place) -> Place:
    """The place of an error in the data, relative to `place`; a missing key is its last step.

    Pydantic's locations also name the members of unions, which are not in the file: these steps are left out.
    """
    loc = fault["loc"]
    for step in place:
        data = data.get(step) if isinstance(data, dict) else data[step]
    real: list[int | str] = []
    for index, step in enumerate(loc):
        if isinstance(data, dict) and step in data:
            data = data[str(step)]
            real.append(step)
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
            real.append(step)
        elif fault["type"] == "missing" and index == len(loc) - 1:
            real.append(step)
    return tuple(real)


def _describe_fault(fault: Any, model: type[BaseModel], path: str) -> str:
    """The message for an error that is not about the type of a value."""
    kind, found = fault["type"], fault["input"]
    key = str(fault["loc"][-1]) if fault["loc"] else ""
    context = fault.get("ctx", {})
    if kind == "extra_forbidden":
        owners = _models_at(model, fault["loc"][:-1])
        known = {field.alias or name for owner in owners for name, field in owner.model_fields.items()}
        return f"unknown key '{path}'; {nearest(key, known)}"
    if kind == "missing":
        return f"'{path}' is missing; add it"
    if kind == "union_tag_invalid":
        # pydantic gives the valid tags, and below the literals, as one text
        tags = [tag.strip(" '") for tag in context["expected_tags"].split(",")]
        return f"'{path}' has no kind '{context['tag']}'; {nearest(str(context['tag']), tags)}"
    if kind == "union_tag_not_found":
        return f"'{path}' needs a `kind`"
    if kind == "literal_error":
        choices = [choice.strip(" '") for choice in context["expected"].replace(" or ", ", ").split(",")]
        return f"'{path}' is {found!r}; {nearest(str(found), choices)}"
    message = str(fault["msg"]).removeprefix("Value error, ")  # pydantic's words before those of our validators
    shown = "" if isinstance(found, dict | list) and len(repr(found)) > _MAX_SHOWN else f" is {in_yaml(found)}"
    return f"'{path}'{shown}: {message[0].lower()}{message[1:]}"


def _models_at(model: type[BaseModel], loc: tuple[int | str, ...]) -> set[type[BaseModel]]:
    """The models that a location of a validation error may belong to."""
    owners = {model}
    for step in loc:
        inside: set[type[BaseModel]] = set()
        for owner in owners:
            for name, field in owner.model_fields.items():
                if step in (name, field.alias):
                    inside |= set(_models_in(field.annotation))
        # in a union a step of the location is a class's name, or the `kind` that selects the class
        tagged = {owner for owner in owners if step in (owner.__name__, _kind(owner))}
        owners = inside or tagged or owners
    return owners


def _kind(model: type[BaseModel]) -> str:
    """The `kind` that selects this model in a union; '' if it has none."""
    field = model.model_fields.get("kind")
    return field.default if field and isinstance(field.default, str) else ""


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) is not None or isinstance(annotation, types.UnionType):
        for part in get_args(annotation):
            yield from _models_in(part)
