"""Pydantic's validation errors, told with file, line and the nearest name."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from datagen.errors import nearest
from datagen.yamlfile import Located, Place


def explain(error: ValidationError, model: type[BaseModel], located: Located, place: Place) -> list[str]:
    """One line for each fault in `model`, which was read at `place`."""
    faults = error.errors(include_url=False)
    deep = {fault["loc"][:depth] for fault in faults for depth in range(len(fault["loc"]))}
    # a list whose items are wrong is also reported as too short
    told = [fault for fault in faults if not (fault["type"] == "too_short" and fault["loc"] in deep)]
    return [_line(fault, model, located, place) for fault in told]


def _line(fault: Any, model: type[BaseModel], located: Located, place: Place) -> str:
    real, missing = _walk(fault["loc"], located.data, place)
    where = located.origin((*place, *real, *missing))
    path = ".".join(str(step) for step in (*real, *missing)) or "the config"
    return f"{where}: {_tell(fault, model, path)}"


def _walk(loc: tuple[int | str, ...], data: Any, place: Place) -> tuple[Place, Place]:
    """The steps of a location that are in the data, and a last one that is missing from it.

    Pydantic's locations also name the chosen members of unions, which are no part of the file.
    """
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
        elif isinstance(data, dict) and index == len(loc) - 1:
            return tuple(real), (step,)
    return tuple(real), ()


def _tell(fault: Any, model: type[BaseModel], path: str) -> str:
    kind, found = fault["type"], fault["input"]
    key = str(fault["loc"][-1]) if fault["loc"] else ""
    context = fault.get("ctx", {})
    if kind == "extra_forbidden":
        known = {name for owner in _models_at(model, fault["loc"][:-1]) for name in _keys(owner)}
        return f"unknown key '{path}'; {nearest(key, known)}"
    if kind == "missing":
        return f"'{path}' is missing; add it"
    if kind == "union_tag_invalid":
        tags = [tag.strip(" '") for tag in context["expected_tags"].split(",")]
        return f"'{path}' has no kind '{context['tag']}'; {nearest(str(context['tag']), tags)}"
    if kind == "union_tag_not_found":
        return f"'{path}' needs a `kind`"
    if kind == "literal_error":
        choices = [choice.strip(" '") for choice in context["expected"].replace(" or ", ", ").split(",")]
        return f"'{path}' is {found!r}; {nearest(str(found), choices)}"
    message = str(fault["msg"]).removeprefix("Value error, ")
    return f"'{path}' is {_short(found)}: {message[0].lower()}{message[1:]}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _keys(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield field.alias or name


def _models_at(model: type[BaseModel], loc: tuple[int | str, ...]) -> set[type[BaseModel]]:
    """The models that a location of a validation error may stand in."""
    owners = {model}
    for step in loc:
        inside: set[type[BaseModel]] = set()
        for owner in owners:
            for name, field in owner.model_fields.items():
                if step in (name, field.alias):
                    inside |= set(_models_in(field.annotation))
        tagged = {owner for owner in owners if _is_tagged(owner, step)}
        owners = inside or tagged or owners
    return owners


def _is_tagged(model: type[BaseModel], step: int | str) -> bool:
    kind = model.model_fields.get("kind")
    return model.__name__ == step or (kind is not None and kind.default == step)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) is not None or isinstance(annotation, types.UnionType):
        for part in get_args(annotation):
            yield from _models_in(part)
