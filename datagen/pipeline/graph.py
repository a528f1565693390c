"""Build the graph of a config's stages, and check it.

The stages of a branched graph run one after another, in an order that `after` allows and that puts cheap stages first.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from typing import Any, NamedTuple

from datagen.core.errors import ConfigError, nearest
from datagen.core.fields import catalogue
from datagen.core.redact import SHORTEST_NAMED, is_plain_word, key_in, register_variables
from datagen.core.stage import Stage, StageConfig
from datagen.pipeline.config import Loaded, RepeatEntry, StageEntry, stage_places, texts, validated
from datagen.pipeline.graph_checks import faults
from datagen.pipeline.graph_model import Clause, Graph, Node, ancestors, is_deterministic
from datagen.pipeline.registry import find_stage, stage_names
from datagen.shards.distance_limit import furthest


def build(loaded: Loaded) -> Graph:
    """The checked graph of a config. Raises one `ConfigError` for all faults that can be found together."""
    nodes = _ordered(_unrolled(loaded))
    try:
        known = catalogue(field for node in nodes for field in node.stage.fields)
    except ConfigError as error:
        raise ConfigError(f"{loaded.located.origin(('stages',))}: {error}") from error
    graph = Graph(loaded, loaded.pipeline.source.load(), nodes, known)
    register_variables(graph.secret_variables)
    with _errors_at_source(loaded):
        graph.source.writes  # noqa: B018 - of some sources it is read from a file
    checks = (faults, _gpu_memory_faults, _near_duplicate_faults, _split_faults, _distance_faults, _hasher_faults)
    _raise_faults(*(check(graph) for check in checks))
    with _errors_at_source(loaded):
        graph.source.check()  # after the checks of the config alone, as it looks at files
    _raise_faults(_missing_score_faults(graph))
    return graph


@contextmanager
def _errors_at_source(loaded: Loaded) -> Iterator[None]:
    """Put the config line of the file or folder in front of an error that begins with its path."""
    try:
        yield
    except ConfigError as error:
        written = texts(loaded.located.data["source"], ("source",))
        begun = [(len(text), place) for place, text in written if text and str(error).startswith(text)]
        # the longest text is the most special path: one option may name a folder, another a file in it
        place = max(begun, key=lambda found: found[0], default=(0, ("source", "path")))[1]
        raise ConfigError(f"{loaded.located.origin(place)}: {error}") from error


def _raise_faults(*found: Iterable[str]) -> None:
    """Raise one `ConfigError` with a line for each fault, if there are any."""
    if lines := list(dict.fromkeys(itertools.chain(*found))):
        raise ConfigError("\n".join(lines))


def _gpu_memory_faults(graph: Graph) -> Iterator[str]:
    """Stages whose models need more GPU memory than their share of a GPU has, by the profile's `gpu_memory_gb`.

    All models of a worker are loaded onto one GPU, even if it reserves several.
    """
    profile = graph.loaded.pipeline.profiles.get(graph.loaded.profile)
    if profile is None or profile.gpu_memory_gb is None:
        return
    for node in graph.nodes:
        takes, share = node.gpu_memory_gb, min(node.resources.gpus, 1)
        has = share * profile.gpu_memory_gb
        if share and takes > has:
            part = f"{share:g} of a GPU with {profile.gpu_memory_gb:g} GiB is {has:g}"
            holds = part if share < 1 else f"the one GPU that they all go onto has {has:g}"
            raised = "raise `resources: {gpus: ...}`, or " if takes <= profile.gpu_memory_gb else ""
            yield (
                f"{node.origin}: the models of '{node.id}' take {takes:g} GiB of GPU memory, but {holds}; {raised}take "
                "a smaller model, half precision or a smaller `batch_size`, and lower its `gpu_memory_gb`"
            )


def gpu_memory_notes(graph: Graph) -> Iterator[str]:
    """Notes about stages with models on a GPU, if the profile does not say `gpu_memory_gb` to check them against."""
    profile = graph.loaded.pipeline.profiles.get(graph.loaded.profile)
    if profile is not None and profile.gpu_memory_gb is not None:
        return
    for node in graph.nodes:
        takes, share = node.gpu_memory_gb, min(node.resources.gpus, 1)
        if takes and share:
            yield (
                f"{node.origin}: the models of '{node.id}' take {takes:g} GiB of GPU memory and {share:g} of a GPU, so "
                f"that it wants GPUs of {takes / share:.4g} GiB; none is held against that, as the profile does not "
                "say `gpu_memory_gb`"
            )


def secret_notes(graph: Graph) -> Iterator[str]:
    """Notes about keys that are too short to be redacted, and about such as stand in ordinary text."""
    for name in sorted(graph.secret_variables):
        key = key_in(name)
        if 0 < len(key) < SHORTEST_NAMED:
            yield (
                f"the key in the environment variable {name} has fewer than {SHORTEST_NAMED} characters: "
                "it is not struck out of what runs write"
            )
        elif key and is_plain_word(key):
            yield (
                f"the key in the environment variable {name} is a plain word: it is struck out wherever it stands, "
                "in captions too"
            )


def _near_duplicate_faults(graph: Graph) -> Iterator[str]:
    """Fields of `output.near_duplicates` and `output.one_split` that no stage writes, or that are no hash or score."""
    output, located = graph.loaded.pipeline.output, graph.loaded.located
    written = {name for node in graph.nodes for name in node.writes} | set(graph.source.writes)
    hashes = sorted(name for name in written if _is_kind(graph, name, "text") and graph.catalogue[name].unit == "bits")
    scores = sorted(name for name in written if _is_kind(graph, name, "score"))
    near = output.near_duplicates
    rules = [("near_duplicates", "any_of", number) for number in range(len(near.any_of))] if near else []
    for place, rule in [*zip(rules, near.any_of if near else (), strict=True), (("one_split",), output.one_split)]:
        for name in rule:
            if name not in hashes:
                where = located.origin(("output", *place, name))
                yield f"{where}: no stage writes a hash '{name}', which is to be compared; {_hint(name, hashes)}"
    if near and near.keep and near.keep not in scores:
        where = located.origin(("output", "near_duplicates", "keep"))
        yield f"{where}: no stage writes a score '{near.keep}', by which to keep; {_hint(near.keep, scores)}"
    for name in near.same if near and "same" in near.model_fields_set else ():
        if name not in written:
            where = located.origin(("output", "near_duplicates", "same"))
            yield f"{where}: no stage writes '{name}', which is to be the same; {nearest(name, written)}"


def _distance_faults(graph: Graph) -> Iterator[str]:
    """Hamming distances, in bits, that are too large for the hashes that the stages make."""
    bits = {name: count for node in graph.nodes for name, count in node.hash_bits.items()}
    yield from _search_limit_faults(graph, bits)
    located = graph.loaded.located
    for node in graph.nodes:
        has = sorted({bits[name] for name in node.reads if name in bits})
        for option in _min_bits_options(graph, node):
            least = getattr(node.config, option) or 0
            for count in (count for count in has if least > count // 2):
                where = located.origin((*stage_places(located.data)[node.entry], "with", option))
                yield (
                    f"{where}: '{node.id}' asks for {least} of the {count} bits that its hashes have, but unrelated "
                    f"pictures differ in some {count // 2}, so that most would be rejected; take fewer, or more bits"
                )


def _hasher_faults(graph: Graph) -> Iterator[str]:
    """Stages that compare hashes of different hashers, which would fail every record."""
    for node in graph.nodes:
        compared = {name: makers for name, makers in node.hash_makers.items() if name in node.reads}
        for other in graph.nodes:
            for name, makers in other.hash_makers.items():
                if name in compared and name in other.writes and not {*makers} & {*compared[name]}:
                    has = ", ".join(compared[name]) or "no one way that all its lists have"
                    yield (
                        f"{node.origin}: '{node.id}' compares '{name}', which '{other.id}' makes by {makers[0]}, with "
                        f"hashes that were made by {has}; make both with the same hasher"
                    )


def _min_bits_options(graph: Graph, node: Node) -> Iterator[str]:
    """Options of a stage that are the least Hamming distance of hashes, in bits."""
    for threshold in node.stage.thresholds:
        name = node.renamed.get(threshold.score, threshold.score)
        if threshold.keeps == "least" and name in graph.catalogue and graph.catalogue[name].unit == "bits":
            yield threshold.option


def _search_limit_faults(graph: Graph, bits: Mapping[str, int]) -> Iterator[str]:
    """Rules of `output` with distances that packing cannot search for: each rule needs one field within the limit."""
    output = graph.loaded.pipeline.output
    near = output.near_duplicates.any_of if output.near_duplicates else ()
    rules: list[tuple[tuple[str | int, ...], dict[str, int]]] = [
        (("near_duplicates", "any_of", number), rule) for number, rule in enumerate(near)
    ]
    rules += [(("one_split",), {name: within}) for name, within in output.one_split.items()]
    for place, rule in rules:
        if all(name in bits and within > furthest(bits[name]) for name, within in rule.items()):
            name = next(iter(rule))
            where = graph.loaded.located.origin(("output", *place, name))
            other = ", or name another field in the same rule that is nearer" if len(place) > 1 else ""
            yield (
                f"{where}: '{name}' within {rule[name]} bits, but hashes of {bits[name]} bits can be searched for up "
                f"to {furthest(bits[name])}; take fewer{other}"
            )


def _missing_score_faults(graph: Graph) -> Iterator[str]:
    """Stages that judge by a score which nothing gives, so that they would reject every record."""
    always = getattr(graph.source, "always", {})  # fields with the same value in every row, to evaluate `when`
    before = ancestors(graph.nodes)
    for node in graph.nodes:
        has = {name for other in graph.nodes if other.id in before[node.id] for name in other.writes}
        scores = {node.renamed.get(threshold.score, threshold.score) for threshold in node.stage.thresholds}
        lacking = sorted((scores & {*node.optional}) - has - {*graph.source.writes})
        if lacking and all(clause.holds(always[clause.field]) for clause in node.clauses if clause.field in always):
            kind, chosen = graph.loaded.pipeline.source.kind, graph.loaded.profile
            yield (
                f"{node.origin}: '{node.id}' judges by '{lacking[0]}', but neither the source ({kind}) nor a stage "
                "before it gives one, so that every record would be rejected; let the source read it, or name the "
                f"stage in `leaves_out` of profile '{chosen}', and what is not checked then in `unchecked`"
            )


def _split_faults(graph: Graph) -> Iterator[str]:
    """Fields of `output.together` and `output.split_from` that no stage writes as text."""
    texts = {name for node in graph.nodes for name in node.writes} | set(graph.source.writes)
    known = sorted(name for name in texts if _is_kind(graph, name, "text"))
    output = graph.loaded.pipeline.output
    if output.split_from and output.split_from not in known:
        where = graph.loaded.located.origin(("output", "split_from"))
        yield f"{where}: there is no text '{output.split_from}' to split by; {nearest(output.split_from, known)}"
    for name in output.together:
        if name not in known:
            where = graph.loaded.located.origin(("output", "together"))
            yield f"{where}: there is no text '{name}', by which samples are to stay together; {nearest(name, known)}"


def _is_kind(graph: Graph, name: str, kind: str) -> bool:
    """Whether a field is of this kind. An undeclared field is of none; `graph_checks` reports it."""
    return name in graph.catalogue and graph.catalogue[name].kind == kind


def _hint(name: str, names: list[str]) -> str:
    return nearest(name, names) if names else "there is none; add the stage `hash_picture`, or one that scores"


def _unrolled(loaded: Loaded) -> list[Node]:
    """The nodes of all entries, repeat blocks unrolled, without those that the profile leaves out."""
    wrong: list[str] = []
    nodes: list[Node] = []
    last_round: dict[str, tuple[str, ...]] = {}
    known = cache(partial(stage_names, loaded.pipeline.plugins))
    for entry in loaded.pipeline.stages:
        for uses in _uses(entry):
            try:
                node = _node(loaded, uses, known=known, previous=nodes[-1].id if nodes else "")
            except ConfigError as error:
                wrong.append(str(error))  # the other entries are read all the same, to report all faults at once
                continue
            if node.id in {other.id for other in nodes}:
                wrong.append(f"{node.origin}: a second stage is called '{node.id}'; give it another `id`")
            if node.entry in loaded.leaves_out:
                last_round[node.entry] = node.after  # what follows it follows what it would have followed
                continue
            nodes.append(node)
            last_round[node.entry] = (node.id,)
    if wrong:
        raise ConfigError("\n".join(dict.fromkeys(wrong)))
    if not nodes:
        where = loaded.located.origin(("profiles", loaded.profile, "leaves_out"))
        raise ConfigError(f"{where}: profile '{loaded.profile}' leaves out every stage; keep one at least")
    last_round.update({node.id: (node.id,) for node in nodes if node.id not in last_round})
    return [_with_real_after(node, last_round, loaded.leaves_out) for node in nodes]


class _Use(NamedTuple):
    """One round of an entry."""

    entry: StageEntry
    round: int
    """From 1."""
    block: str
    """The id of the first stage of its repeat block; '' outside of blocks."""
    until: tuple[Clause, ...]
    """Conditions to run this round, from the block's `until`."""


def _uses(entry: StageEntry | RepeatEntry) -> Iterator[_Use]:
    if isinstance(entry, StageEntry):
        yield _Use(entry, 1, "", ())
        return
    stages = entry.repeat.stages
    block = stages[0].id or stages[0].use
    until = tuple(Clause(field, values, negated=True) for field, values in entry.repeat.until.items())
    for number in range(1, entry.repeat.times + 1):
        for stage in stages:
            # before the first round no stage has written the field that `until` tests
            yield _Use(stage, number, block, until if number > 1 else ())


def _node(loaded: Loaded, use: _Use, *, known: Callable[[], Mapping[str, str]], previous: str) -> Node:
    """The node of one use. `previous` is the id of the node above it, which it follows by default.

    `known` gives the stages that there are, or raises `ConfigError`.
    """
    entry = use.entry
    name = entry.id or entry.use
    place = stage_places(loaded.located.data)[name]
    origin = loaded.located.origin(place)
    try:
        stage = find_stage(entry.use, known=known())
    except ConfigError as error:
        raise ConfigError(f"{loaded.located.origin((*place, 'use'))}: {error}") from error
    config = validated(stage.Config, loaded.located, (*place, "with"))
    _check_profile_bounds(loaded, name, stage, config)
    if entry.durable is False and not is_deterministic(stage, config):
        raise ConfigError(
            f"{loaded.located.origin((*place, 'durable'))}: '{name}' does not give the same answer twice, so that "
            "it has to be kept for what is behind it; drop `durable: false`"
        )
    if use.block and entry.after is not None:
        raise ConfigError(f"{origin}: '{name}' stands in a repeat block, whose stages follow each other; drop `after`")
    _check_map(entry, stage, config, origin)
    clauses = tuple(Clause(field, values) for field, values in entry.when.items())
    default_after = (previous,) if previous else ()
    return Node(
        id=name if use.round == 1 else f"{name}_{use.round}",
        use=entry.use,
        stage=stage,
        config=config,
        resources=entry.resources,
        after=default_after if entry.after is None else entry.after,
        clauses=(*clauses, *use.until),
        renamed=entry.map,
        reads=_renamed(stage.needs(config), entry.map),
        optional=_renamed(stage.optional, entry.map),
        writes=_renamed(stage.writes, entry.map),
        origin=origin,
        entry=name,
        block=use.block,
        durable_option=entry.durable,
    )


def _check_profile_bounds(loaded: Loaded, name: str, stage: type[Stage], config: StageConfig) -> None:
    """Refuse a profile that changes the model of a score but not the bound on it: scales differ between models."""
    profile = loaded.pipeline.profiles.get(loaded.profile)
    over = profile.stages[name].with_ if profile and name in profile.stages else {}
    for threshold in stage.thresholds:
        stays = threshold.option not in over and getattr(config, threshold.option) is not None
        if stays and _names_model(over.get(threshold.by)):
            where = loaded.located.origin(("profiles", loaded.profile, "stages", name, "with"))
            raise ConfigError(
                f"{where}: profile '{loaded.profile}' names another `{threshold.by}` for '{name}', but not the bound "
                f"`{threshold.option}` on its score; what {getattr(config, threshold.option)} means to one model it "
                f"does not mean to another: write `{threshold.option}` beside it"
            )


def _names_model(options: Any) -> bool:
    """Whether the options of a model, or of a model inside it, select another model."""
    if not isinstance(options, dict):
        return False
    return not options.keys().isdisjoint(("kind", "weights")) or any(map(_names_model, options.values()))


def _renamed(names: Iterable[str], renamed: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(renamed.get(name, name) for name in names)


def _check_map(entry: StageEntry, stage: type[Stage], config: StageConfig, origin: str) -> None:
    own = {*stage.needs(config), *stage.optional, *stage.writes}
    known = catalogue(stage.fields)
    for name, field in entry.map.items():
        if name not in own:
            raise ConfigError(f"{origin}: `map` renames '{name}', no field of '{entry.use}'; {nearest(name, own)}")
        if field in known and name in known and known[field].kind != known[name].kind:
            raise ConfigError(
                f"{origin}: `map` puts '{name}', {known[name].kind}, into '{field}', which is {known[field].kind}"
            )


def _with_real_after(node: Node, meaning: Mapping[str, tuple[str, ...]], left_out: Collection[str]) -> Node:
    """The node with the ids of nodes in `after`; `meaning` maps the ids of the config to these.

    A repeated stage means its last round. A stage that the profile leaves out means the stages that it would follow.
    """

    def real(ids: Iterable[str], passed: tuple[str, ...] = ()) -> Iterator[str]:
        for id in ids:
            if id not in meaning:
                raise ConfigError(
                    f"{node.origin}: '{node.id}' is `after` '{id}', but no stage is; {nearest(id, meaning)}"
                )
            if id in passed:
                raise ConfigError(
                    f"{node.origin}: stages wait for each other in a circle: {' after '.join((*passed, id))}"
                )
            yield from real(meaning[id], (*passed, id)) if id in left_out else meaning[id]

    # in a block, `after` is the node before, by its real id
    after = tuple(dict.fromkeys(real(node.after)))
    return node if node.block else replace(node, after=after)


def _ordered(nodes: list[Node]) -> tuple[Node, ...]:
    """Nodes in an order in which each comes after those that it follows. Of the ready ones the cheapest comes first."""
    waiting = dict(enumerate(nodes))
    done: dict[str, Node] = {}
    while waiting:
        ready = [index for index, node in waiting.items() if all(id in done for id in node.after)]
        if not ready:
            raise ConfigError(_cycle(list(waiting.values())))
        # ties go by the order of the file, so that a config has one order
        index = min(ready, key=lambda index: (nodes[index].cost, index))
        node = waiting.pop(index)
        done[node.id] = node
    return tuple(done.values())


def _cycle(nodes: list[Node]) -> str:
    """The message for a circle of `after` among nodes that all wait."""
    by_id = {node.id: node for node in nodes}
    path = [nodes[0].id]
    while path[-1] not in path[:-1]:
        path.append(next(id for id in by_id[path[-1]].after if id in by_id))
    ring = path[path.index(path[-1]) :]
    return f"{by_id[ring[0]].origin}: stages wait for each other in a circle: {' after '.join(ring)}; cut one `after`"
