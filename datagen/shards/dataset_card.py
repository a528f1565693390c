"""README.md of a dataset: the dataset card that `datasets` and the Hugging Face hub read."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel

from datagen.core.redact import escape_control
from datagen.core.yaml_text import to_yaml
from datagen.shards.index import SHARDS, SPLITS, About, DatasetInfo
from datagen.shards.info import SampleInfo

_HUB_LICENSE = re.compile(
    r"apache-2\.0|mit|isc|zlib|unlicense|pddl|odbl|odc-by|mpl-2\.0|ofl-1\.1|bsd(-[23]-clause)?|cc0-1\.0"
    r"|cc-by-(2\.0|2\.5|3\.0|4\.0)|cc-by-(sa|nc|nc-nd|nc-sa)-[34]\.0|cc-by-nc(-sa)?-2\.0|cc-by-nd-4\.0"
    r"|(a|l)?gpl-3\.0|gpl-2\.0|(creativeml-)?openrail(-m)?"
)
"""Licence identifiers of the hub: https://huggingface.co/docs/hub/repositories-licenses"""

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_VALUES = {str: "string", int: "int64", float: "float64", bool: "bool"}
_MEMBERS = {"png": "image", "jpg": "image", "webp": "image", "txt": "string"}
"""Type by file extension. All others are binary: `datasets` reads its Audio type only if torchcodec is installed."""


class SampleCounts(NamedTuple):
    """Counts over all samples of a dataset."""

    members: Sequence[str]
    """All member names that occur."""
    licenses: Mapping[str, int]
    tasks: Mapping[str, int]


def dataset_card(dataset: DatasetInfo, *, about: About, counts: SampleCounts) -> str:
    """The text of README.md: YAML front matter with all features, then sections for people.

    Text from data or config is quoted by the YAML writer in the front matter, and escaped in the sections.
    """
    front = to_yaml(_front_matter(dataset, counts), width=1000)
    sections = (*_introduction(dataset, about), *_contents(dataset, counts), *_history(dataset, about))
    return f"---\n{front}---\n\n" + "\n\n".join(sections) + "\n"


def features(members: Iterable[str]) -> list[dict[str, Any]]:
    """The columns of the dataset, in the form of `dataset_info` in a card; `members` are member names."""
    columns = [{"name": name, **_member_feature(name)} for name in sorted({"json", "txt", *members})]
    return [*columns, {"name": "__key__", "dtype": "string"}, {"name": "__url__", "dtype": "string"}]


def _member_feature(name: str) -> dict[str, Any]:
    if name == "json":
        return _feature(SampleInfo)
    return {"dtype": _MEMBERS.get(name.rsplit(".", 1)[-1], "binary")}


def _feature(kind: Any) -> dict[str, Any]:
    """The type of a value of KEY.json, in the form of `dataset_info`."""
    origin = get_origin(kind)
    if origin is Annotated:
        return _feature(get_args(kind)[0])
    if origin is Literal:
        return _feature(type(get_args(kind)[0]))
    if origin in (Union, UnionType):  # a value or null
        return _feature(get_args(kind)[0])
    if origin is list:
        # `datasets` writes a list of plain values or structs without the inner key: `list: string`
        item = _feature(get_args(kind)[0])
        return {"list": next(iter(item.values())) if set(item) in ({"dtype"}, {"struct"}) else item}
    if issubclass(kind, BaseModel):
        fields = kind.model_fields.items()
        return {"struct": [{"name": field.alias or name, **_feature(field.annotation)} for name, field in fields]}
    return {"dtype": _VALUES[kind]}


def _front_matter(dataset: DatasetInfo, counts: SampleCounts) -> dict[str, Any]:
    splits = [split for split in SPLITS if dataset.samples(split)] or ["train"]
    samples = dataset.totals.accepted
    licenses = sorted({_hub_license(name) for name in counts.licenses}) or ["other"]
    return {
        "pretty_name": _line(dataset.pipeline),
        "license": licenses[0] if len(licenses) == 1 else licenses,
        "task_categories": ["image-to-image"],
        "tags": ["webdataset", "image-editing", "datagen"],
        "size_categories": [next((name for limit, name in _SIZES if samples < limit), "n>1M")],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": split, "path": f"{SHARDS}/{split}-*.tar"} for split in splits],
            }
        ],
        "dataset_info": {
            "features": features(counts.members),
            "splits": [
                {"name": split, "num_bytes": _bytes(dataset, split), "num_examples": dataset.samples(split)}
                for split in splits
            ],
        },
    }


def _hub_license(name: str) -> str:
    lowered = name.lower()
    return lowered if _HUB_LICENSE.fullmatch(lowered) else "other"


def _bytes(dataset: DatasetInfo, split: str) -> int:
    return sum(shard.bytes for shard in dataset.shards if shard.split == split)


def _introduction(dataset: DatasetInfo, about: About) -> Iterator[str]:
    yield f"# {_escaped(dataset.pipeline)}"
    if about.description:
        yield _escaped(about.description)
    if not dataset.totals.accepted:
        yield "**This dataset is empty**: no record was accepted. The table of what became of them says why."
        return
    yield (
        "Made by datagen. Each sample is one KEY in WebDataset tars; `KEY.json` describes it, by one schema.\n\n"
        "```python\n"
        'dataset = datasets.load_dataset("PATH")\n'
        'dataset = webdataset.WebDataset("PATH/shards/train-000000.tar")\n'
        'dataset = datagen.open("PATH")  # by number or key\n'
        "```"
    )


def _contents(dataset: DatasetInfo, counts: SampleCounts) -> Iterator[str]:
    splits = [(split, _number(dataset.samples(split)), _number(_bytes(dataset, split))) for split in SPLITS]
    yield "## What is in it\n\n" + _table(("split", "samples", "bytes"), splits)
    yield "No source picture has samples in both splits."
    if counts.tasks:
        yield _counts("task", counts.tasks)
    yield "## Licences of the source pictures\n\n" + _counts("licence", counts.licenses)


def _history(dataset: DatasetInfo, about: About) -> Iterator[str]:
    yield "## What became of every record\n\n" + _table(("outcome", "records"), _outcomes(dataset))
    rows = [(*key.partition("/")[::2], _number(count)) for key, count in dataset.totals.rejected.items()]
    if rows:
        yield "Rejected:\n\n" + _table(("stage", "reason", "records"), rows)
    stages = [(row.id, row.use, str(row.version), row.model, row.revision) for row in about.stages]
    yield "## Stages\n\n" + _table(("id", "stage", "version", "model", "revision"), stages)
    if about.model_licenses:
        yield "Licences of the models:\n\n" + _table(("model", "licence"), sorted(about.model_licenses.items()))
    if about.non_deterministic:
        yield f"Another run may differ in the output of: {_listed(about.non_deterministic)}."
    if about.unchecked:
        yield f"Not checked in this profile: {_listed(about.unchecked)}."
    yield f"Run `{dataset.fingerprint}`, seed {dataset.seed}."


def _outcomes(dataset: DatasetInfo) -> list[tuple[str, str]]:
    totals = dataset.totals
    rows = {
        "sources read": totals.sources,
        "records": totals.records,
        "accepted": totals.accepted,
        "rejected": sum(totals.rejected.values()),
        "failed": totals.failed,
    }
    return [(name, _number(count)) for name, count in rows.items()]


def _counts(title: str, counts: Mapping[str, int]) -> str:
    """A table of how many samples have each value; of more than `_MOST_ROWS` values, the most frequent ones."""
    shown = sorted(counts, key=lambda name: -counts[name])[:_MOST_ROWS] if len(counts) > _MOST_ROWS else list(counts)
    rows = [(_cut(name) or "(none stated)", _number(counts[name])) for name in shown]
    if rest := len(counts) - len(shown):
        rows.append((f"{_number(rest)} others", _number(sum(counts.values()) - sum(counts[name] for name in shown))))
    return _table((title, "samples"), rows)


_MOST_ROWS = 100
_LONGEST_CELL = 300


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_CELL else f"{text[:_LONGEST_CELL]}..."


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([_escaped(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(_escaped(name) for name in names)


def _number(count: int) -> str:
    return f"{count:,}"


def _line(text: str) -> str:
    return " ".join(text.split())


def _escaped(text: str) -> str:
    """Text on one line, with the characters of Markdown and HTML escaped."""
    plain = escape_control(_line(text))
    return re.sub(r"([\\`*_{}\[\]()#|~$!])", r"\\\1", html.escape(plain, quote=False))
