"""The page of an evaluation: one HTML file without scripts, with the pictures inside and no network access."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from datagen.evaluate.evaluation import Evaluated
from datagen.evaluate.metrics import L1
from datagen.evaluate.results import EvaluationResults, MetricInfo, MetricValue, SampleResult
from datagen.evaluate.scoring import ShownPicture, ShownSample, compared_names
from datagen.evaluate.subjects import COPY
from datagen.evaluate.text import difference_text, heading_lines, metric_lines, value_text, verdict_text
from datagen.imaging.image import Image
from datagen.report.pictures import thumbnail

_SMALL = 128
"""Pictures with no longer side are shown pixel by pixel, without loss."""
_SIDE = 320


def evaluation_page(evaluated: Evaluated) -> str:
    """The HTML of the page. All text is escaped."""
    found = evaluated.results
    names = [subject.name for subject in found.subjects]
    named = [subject.name for subject in found.subjects if subject.kind != "baseline"]
    return _template().render(
        title=f"{', '.join(named) or COPY} on {found.dataset}, split {found.split}",
        lines=list(heading_lines(found)),
        names=names,
        rows=[_row(metric, found.values[metric.name], names) for metric in found.metrics],
        differences=list(_differences(found)),
        metrics=list(metric_lines(found.metrics)),
        not_measured=found.not_measured,
        judged=found.samples_judged,
        compared=" and ".join(compared_names(named)),
        cards=[_card(sample, found, names) for sample in evaluated.shown],
    )


def _row(metric: MetricInfo, values: dict[str, MetricValue], names: list[str]) -> dict[str, Any]:
    return {
        "name": metric.name,
        "better": metric.better,
        "reference": metric.reference,
        "unit": metric.unit,
        "cells": [_cell(values[name]) if name in values else None for name in names],
    }


def _cell(value: MetricValue) -> dict[str, Any]:
    number, _, interval = value_text(value).partition(" [")
    return {
        "value": number,
        "interval": interval.removesuffix("]"),
        "samples": f"{value.samples:,}",
        "failures": f"{value.failures:,}" if value.failures else "",
    }


def _differences(found: EvaluationResults) -> Iterator[dict[str, str]]:
    for each in found.differences:
        yield {
            "metric": each.metric,
            "first": each.first,
            "second": each.second,
            "samples": f"{each.samples:,}",
            "value": difference_text(each),
            "verdict": verdict_text(each, found),
        }


def _card(sample: ShownSample, found: EvaluationResults, names: list[str]) -> dict[str, Any]:
    result = sample.result
    return {
        "instruction": result.instruction,
        "key": result.key,
        "group": result.group,
        "size": result.size,
        "boxes": sample.boxes,
        "pictures": [_picture(picture, result) for picture in sample.pictures],
        "failures": [f"{name}: {why}" for name, why in result.failures.items()]
        + [f"{name}: no readable grades by {', '.join(by)}" for name, by in result.judge_failures.items()],
        "numbers": [
            (metric.name, [_number(result.values.get(name, {}).get(metric.name)) for name in names])
            for metric in found.metrics
            if any(metric.name in numbers for numbers in result.values.values())
        ],
    }


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _picture(picture: ShownPicture, result: SampleResult) -> dict[str, Any]:
    image = Image.of(picture.pixels)
    width, height = image.size
    fine = max(width, height) <= _SMALL
    if fine:
        data, kind = image.encoded(), "png"
    else:
        small = thumbnail(image, name=picture.name, side=_SIDE)
        data, kind, width, height = small.data, "webp", small.width, small.height
    name = COPY if picture.name == "source" else picture.name
    distance = result.values.get(name, {}).get(L1)
    return {
        "name": picture.name,
        "uri": f"data:image/{kind};base64,{base64.b64encode(data).decode()}",
        "width": width,
        "height": height,
        "fine": fine,
        "checks": list(zip(result.ops, result.edits_right.get(name, ()), strict=False)),
        "note": "" if distance is None or picture.name == "target" else f"L1 {distance:.3f}",
    }


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("datagen.evaluate", "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("evaluation.html")
