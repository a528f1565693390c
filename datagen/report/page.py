"""Writes the report of a run: one HTML file without other files and without network access.

Data reaches the page in two ways only: through a template that escapes it, or as JSON in a script element that no
browser runs. The content security policy of the page allows two scripts, identified by their hashes, and forbids
loading anything.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shlex
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from datagen.core.errors import SetupError, StoreError
from datagen.core.fields import Field, catalogue
from datagen.core.redact import redact
from datagen.core.yaml_text import to_yaml
from datagen.execute.ledger.cost_ledger import RunCost, read_run_cost
from datagen.execute.ledger.ledger import SLICES, Ledger
from datagen.execute.reuse.run_manifest import StageManifest, read_stages
from datagen.execute.run import CONFIG
from datagen.report.bounds import Spread, StageScores, ThresholdMove
from datagen.report.cells import as_json
from datagen.report.flow import Flow, flow
from datagen.report.gallery import Gallery, gallery
from datagen.report.pictures import ReadLimits
from datagen.report.survey import DUPLICATE, ErrorKind, Survey, survey
from datagen.shards.index import DatasetInfo, read_dataset
from datagen.storage.store import Store

FOLDER = "report"
"""The folder of the report in OUT."""
PAGE = "index.html"
SAMPLES = 120
"""Accepted samples that are shown by default."""
_OF_A_REASON = 10
"""For each 10 samples shown, one rejected record of each reason is shown."""


class WrittenReport(NamedTuple):
    """A written report."""

    address: str
    bytes: int
    samples: int
    rejected: int
    """Records that are shown."""
    seconds: float
    notes: tuple[str, ...]
    """Warnings about the report's data."""


def write_report(out: str, *, to: str = "", samples: int = SAMPLES) -> WrittenReport:
    """Write the report of the dataset in `out`, with up to `samples` samples, into OUT/report or the folder `to`.

    Raises `StoreError` if there is no finished dataset with its ledger, or the report cannot be written.
    """
    begun = time.perf_counter()
    store = Store(out)
    data = _gather(store, samples=samples)
    page = render(data)
    return WrittenReport(
        address=_write(page, Store(to), PAGE) if to else _write(page, store, f"{FOLDER}/{PAGE}"),
        bytes=len(page),
        samples=len(data["accepted"]),
        rejected=len(data["rejected"]),
        seconds=time.perf_counter() - begun,
        notes=tuple(data["notes"]),
    )


def _write(page: bytes, store: Store, name: str) -> str:
    try:
        store.write(name, page)
    except StoreError as error:
        raise StoreError(str(error).replace("--out", "--to")) from error
    return f"{store.address}/{name}"


def _gather(store: Store, *, samples: int) -> dict[str, Any]:
    """All data of the page as plain data, with secrets redacted."""
    dataset = read_dataset(store)
    ledger = Ledger(store, dataset.fingerprint)
    stages = _sound(read_stages(store, dataset.fingerprint)) or _barely_known(dataset)
    if not store.exists(f"{ledger.folder}/{SLICES}"):
        raise StoreError(
            f"{store.address}/{ledger.folder}/{SLICES} is missing: the report is made from the ledger, "
            "which lies beside the dataset where the run wrote it"
        )
    text, config = _config(store)
    found = survey(ledger, stages, seed=dataset.seed, most=samples, most_of_reason=max(1, samples // _OF_A_REASON))
    shown = gallery(
        ledger,
        [*found.accepted(), *found.rejected()],
        stages=stages,
        catalogue=_catalogue(dataset),
        reading=ReadLimits.of_config(config),
    )
    data = _page_data(dataset, found, stages, read_run_cost(ledger), shown, out=store.address)
    page: dict[str, Any] = _redact(
        {**data, "description": config.get("description", ""), "config": text}, environ=dict(os.environ)
    )
    return page


def _config(store: Store) -> tuple[str, Mapping[str, Any]]:
    """The resolved config of the last run, as text and as data; empty if it is missing or damaged."""
    text = store.read(CONFIG).decode("utf-8", "replace") if store.exists(CONFIG) else ""
    try:
        found = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError):
        found = None
    return text, found if isinstance(found, dict) else {}


def _sound(stages: Mapping[str, StageManifest]) -> dict[str, StageManifest]:
    """The stages without facts of unexpected types, as in a damaged manifest."""
    return {
        id: stage._replace(about={k: v for k, v in stage.about.items() if _is_sound(k, v)})
        for id, stage in stages.items()
    }


def _is_sound(name: str, value: Any) -> bool:
    if name == "thresholds":
        return isinstance(value, list) and all(isinstance(item, dict) for item in value)
    if name in ("models", "when", "after", "reads", "rejects"):
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    return name not in ("options", "writes") or isinstance(value, dict)


def _barely_known(dataset: DatasetInfo) -> dict[str, StageManifest]:
    """The stages as in dataset.json, for a dataset without a run manifest."""
    rows = [row for run in dataset.runs if run.fingerprint == dataset.fingerprint for row in run.stages]
    return {
        row.id: StageManifest("", {"use": row.use, "version": row.version, "models": [row.revision]}) for row in rows
    }


def _catalogue(dataset: DatasetInfo) -> dict[str, Field]:
    known = catalogue()
    own = {row.name: Field(row.name, row.kind, row.doc, row.shape, row.unit, row.member) for row in dataset.fields}
    return {**known, **own}


def _page_data(
    dataset: DatasetInfo,
    found: Survey,
    stages: Mapping[str, StageManifest],
    spent: RunCost,
    shown: Gallery,
    *,
    out: str,
) -> dict[str, Any]:
    totals = dataset.totals
    fields = _catalogue(dataset)
    went = flow(found.ends)
    accepted = [record for record in shown.records if record["status"] == "accepted"]
    rejected = [record for record in shown.records if record["status"] != "accepted"]
    return {
        "pipeline": dataset.pipeline,
        "fingerprint": dataset.fingerprint,
        "seed": dataset.seed,
        "out": out,
        "quoted": shlex.quote(out),
        "totals": {**totals.model_dump(), "rejected": sum(totals.rejected.values())},
        "reasons": sorted(totals.rejected.items(), key=lambda item: -item[1]),
        "splits": dict(_counts((shard.split, shard.samples) for shard in dataset.shards)),
        "bytes": sum(shard.bytes for shard in dataset.shards),
        "licenses": found.licenses.most_common(),
        "tokens": found.tokens,
        "usd": found.usd,
        "seconds": spent.seconds,
        "tried_again": found.tried_again,
        "flow": {"nodes": [node._asdict() for node in went.nodes], "links": [list(link) for link in went.links]},
        "stages": [_stage(id, stages, found, spent) for id in _in_order(stages, found.stage_counters)],
        "scores": [row for id, collected in found.stage_scores.items() for row in _scores(id, collected, fields)],
        "errors": [_error(kind, out) for kind in found.errors],
        "accepted": accepted,
        "rejected": rejected,
        "notes": list(_notes(dataset, went, stages, shown)),
    }


def _counts(pairs: Iterable[tuple[str, int]]) -> Counter[str]:
    found: Counter[str] = Counter()
    for name, number in pairs:
        found[name] += number
    return found


def _notes(dataset: DatasetInfo, went: Flow, stages: Mapping[str, StageManifest], shown: Gallery) -> Iterator[str]:
    """Warnings that a reader needs to interpret the page."""
    totals = dataset.totals
    listed = totals.accepted, sum(totals.rejected.values()), totals.failed
    if listed != tuple(went.entering(kind) for kind in ("accepted", "rejected", "failed")):
        yield "dataset.json and the ledger do not agree; `verify` tells where, and the numbers here are the ledger's"
    if not any(stage.about.get("options") is not None for stage in stages.values()):
        yield "what the stages' options were is not known, so that no thresholds are drawn; run again, which notes it"
    if shown.without_pictures:
        yield f"{shown.without_pictures:,} records are shown without pictures, as the page would be too large"


def _in_order(stages: Mapping[str, StageManifest], counted: Iterable[str]) -> list[str]:
    """Ids of stages in the order of the run, then others with counters, such as the source."""
    return [*stages, *(id for id in counted if id not in stages)]


def _stage(id: str, stages: Mapping[str, StageManifest], found: Survey, spent: RunCost) -> dict[str, Any]:
    about = stages[id].about if id in stages else {}
    of_ledger, of_runs = found.stage_counters[id], spent.stage_counters.get(id)
    return {
        "id": id,
        "use": about.get("use", id),
        "version": about.get("version"),
        "models": [model for model in about.get("models") or () if model],
        "when": list(about.get("when") or ()),
        "after": list(about.get("after") or ()),
        "reads": list(about.get("reads") or ()),
        "writes": list(about.get("writes") or ()),
        "rejects": list(about.get("rejects") or ()),
        "options": to_yaml(about["options"]) if about.get("options") else "",
        "durable": bool(about.get("durable")),
        "met": of_ledger.taken,
        "made": found.made[id],
        "passed": of_ledger.taken - of_ledger.rejected - of_ledger.failed,
        "rejected": of_ledger.rejected,
        "failed": of_ledger.failed,
        "seconds": of_ledger.seconds,
        "each": of_ledger.seconds / of_ledger.taken if of_ledger.taken else None,
        "rate": of_ledger.taken / of_ledger.seconds if of_ledger.seconds else None,
        "calls": of_runs.calls if of_runs else None,
        "reused": of_runs.reused if of_runs else None,
        "tokens": of_ledger.tokens,
        "usd": of_ledger.usd,
    }


def _scores(stage: str, collected: StageScores, fields: Mapping[str, Field]) -> Iterator[dict[str, Any]]:
    for spread in collected.spreads():
        field = fields.get(spread.score)
        yield {
            "stage": stage,
            "met": collected.met,
            "share": collected.share,
            "doc": field.doc if field else "",
            "unit": field.unit if field else "",
            **_spread(spread),
        }


def _spread(spread: Spread) -> dict[str, Any]:
    return {**spread._asdict(), "moves": [_move(move) for move in spread.moves]}


def _move(move: ThresholdMove) -> dict[str, Any]:
    return {**move.bound._asdict(), "places": move.places, "kept": move.kept, "samples": move.samples}


def _error(kind: ErrorKind, out: str) -> dict[str, Any]:
    return {
        "stage": kind.stage,
        "error": kind.error,
        "count": kind.count,
        "examples": [
            {"id": id, "show": f"python -m datagen show {shlex.quote(out)} {shlex.quote(id)}"} for id in kind.examples
        ],
    }


def _redact(value: Any, *, environ: Mapping[str, str]) -> Any:
    """Plain data with secrets redacted. Pictures (`data`, base64) are not searched.

    `environ` is a plain dictionary, because `os.environ` decodes its values anew for each of thousands of texts.
    """
    if isinstance(value, str):
        return redact(value, environ)
    if isinstance(value, dict):
        return {name: inner if name == "data" else _redact(inner, environ=environ) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_redact(item, environ=environ) for item in value]
    return value


def render(data: Mapping[str, Any]) -> bytes:
    """The HTML of the page; `data` has the keys that `page.html` and `page.js` read.

    Raises `SetupError` if the chart library is not installed.
    """
    charts, script = _charts(), _asset("page.js")
    page = _template().render(
        data=data,
        duplicate=f"{DUPLICATE.stage}/{DUPLICATE.reason}",
        json=Markup(as_json(data)),
        style=Markup(_asset("page.css")),
        charts=Markup(charts),
        script=Markup(script),
        hashes=[_hash(charts), _hash(script)],
    )
    return page.encode("utf-8", "backslashreplace")  # texts from data may hold lone surrogates


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("datagen.report", "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=_number, span=_span, dollars=_dollars, size=_size)
    return environment.get_template("page.html")


@cache
def _hash(script: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"


def _asset(name: str) -> str:
    # a browser turns CRLF into LF before it hashes a script, so the hashes in the policy must be those of LF
    return (files("datagen.report") / "assets" / name).read_text(encoding="utf-8").replace("\r\n", "\n")


def _charts() -> str:
    """The script of the chart library, from its package. The package is not imported: that would take a second."""
    spec = find_spec("plotly")
    path = Path(spec.origin).parent / "package_data" / "plotly.min.js" if spec and spec.origin else None
    if path is None or not path.exists():
        raise SetupError("the report's charts need plotly, with package_data/plotly.min.js; pip install plotly")
    return _script_of(path)


@cache
def _script_of(path: Path) -> str:
    """The text of a script of megabytes, which a process reads and checks once, however many reports it writes."""
    script = path.read_text(encoding="utf-8").replace("\r\n", "\n")
    if "</script" in script.lower():
        raise StoreError(f"{path} cannot stand inside a page, it ends its own script; pip install another plotly")
    return script


_UNKNOWN = "-"


def _number(value: float | None) -> str:
    if value is None:
        return _UNKNOWN
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3g}" if abs(value) < 100 else f"{value:,.0f}"


def _span(seconds: float | None) -> str:
    """A duration in a suitable unit."""
    if seconds is None:
        return _UNKNOWN
    for limit, divisor, unit in ((1, 0.001, "ms"), (120, 1, "s"), (7200, 60, "min"), (float("inf"), 3600, "h")):
        if seconds < limit:
            return f"{seconds / divisor:.3g} {unit}"
    return ""


def _dollars(value: float | None) -> str:
    return _UNKNOWN if value is None else f"${value:,.2f}" if value >= 0.01 or value == 0 else f"${value:.2g}"


def _size(value: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:,.3g} TB"
