"""Samples that are near each other by the hashes in the ledger: of several one stays, and none straddle the splits."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from datagen.core.errors import DataError, StoreError
from datagen.imaging.perceptual_hash import Words, hamming_distances, parse_hash
from datagen.shards.columns import Digests, Flags, Numbers, Rows, digests, found_in
from datagen.shards.distance_limit import CHUNK, furthest
from datagen.shards.duplicates import Drops, names_of, why
from datagen.shards.near import Accept, Near, TooManyError, chunks_of, flips_of, near_pairs
from datagen.shards.options import NearOptions, OutputOptions

NEAR = "near_duplicate"

Rule = Mapping[str, int]


class Traits(NamedTuple):
    """What packing compares of samples, in the order of their keys."""

    hashes: Mapping[str, Words]
    """By field, N x words."""
    there: Mapping[str, Flags]
    """By field, which samples have it."""
    same: Digests
    """Equal where the fields are that have to be."""
    scores: NDArray[np.float64]
    """The higher stays; -inf where there is none."""
    groups: Mapping[str, Digests] = {}
    """By field, equal where its values are, and b'' where there is none."""

    def take(self, rows: Numbers | Flags) -> Traits:
        """Those of some samples."""
        hashes = {name: words[rows] for name, words in self.hashes.items()}
        there = {name: flags[rows] for name, flags in self.there.items()}
        groups = {name: values[rows] for name, values in self.groups.items()}
        return Traits(hashes, there, self.same[rows], self.scores[rows], groups)


def read_traits(rows: Rows, keys: Digests, *, options: OutputOptions, seed: int) -> Traits:
    """The traits of the samples with the sorted `keys`. Raises `StoreError` where a field is no hash."""
    near = options.near_duplicates
    read = _Reader(keys, options.compared, near.same if near else (), near.keep if near else "", _grouping(options))
    for table in rows(["key", "fields", "scores"]):
        places, known = found_in(keys, digests(table["key"], seed=seed))
        texts = zip(*(table[name].to_pylist() for name in ("key", "fields", "scores")), strict=True)
        for place, there, told in zip(places.tolist(), known.tolist(), texts, strict=True):
            if there:
                read.take(place, *told)
    return read.done()


def _grouping(options: OutputOptions) -> tuple[str, ...]:
    """The fields whose equal values count."""
    return (*options.together, *([options.split_from] if options.split_from else []))


def group_of(value: Any) -> bytes:
    """What stands for a value in `Traits.groups`."""
    return hashlib.sha256(json.dumps(value).encode()).digest()[:16]


class _Reader:
    """Fills arrays from the texts of the ledger."""

    def __init__(
        self, keys: Digests, fields: Sequence[str], same: Sequence[str], score: str, together: Sequence[str]
    ) -> None:
        self._size = len(keys)
        self._fields = fields
        self._same = same
        self._score = score
        self._by: dict[str, tuple[str, int]] = {}
        self._hashes: dict[str, Words] = {}
        self._there = {name: np.zeros(len(keys), np.bool_) for name in fields}
        self._equal = np.zeros(len(keys), "S16")
        self._scores = np.full(len(keys), -np.inf)
        self._groups = {name: np.zeros(len(keys), "S16") for name in together}

    def take(self, place: int, key: str, fields: str, scores: str) -> None:
        """Read one sample."""
        told: dict[str, Any] = json.loads(fields or "{}")
        for name in self._fields:
            if told.get(name):
                self._take_hash(name, place, key, told[name])
        equal = json.dumps([told.get(name) for name in self._same], sort_keys=True).encode()
        self._equal[place] = hashlib.sha256(equal).digest()[:16]
        for name, group in self._groups.items():
            if told.get(name):
                group[place] = group_of(told[name])
        if self._score:
            self._scores[place] = json.loads(scores or "{}").get(self._score, -np.inf)

    def _take_hash(self, name: str, place: int, key: str, text: str) -> None:
        try:
            hash = parse_hash(text)
        except DataError as error:
            raise StoreError(f"sample '{key}', field '{name}': {error}") from error
        by = self._by.setdefault(name, (hash.by, hash.bits))
        if by != (hash.by, hash.bits):
            raise StoreError(
                f"sample '{key}', field '{name}': a hash of {hash.bits} bits by {hash.by}, others have {by[1]} by "
                f"{by[0]}; they cannot be compared, make all with one hasher"
            )
        if name not in self._hashes:
            self._hashes[name] = np.zeros((self._size, hash.bits // 64), np.uint64)
        self._hashes[name][place] = hash.words
        self._there[name][place] = True

    def done(self) -> Traits:
        """What was read."""
        hashes = {name: self._hashes.get(name, np.zeros((self._size, 1), np.uint64)) for name in self._fields}
        return Traits(hashes, self._there, self._equal, self._scores, self._groups)


def drop_near(
    traits: Traits, keys: Digests, slices: NDArray[np.int32], rows: Rows, *, near: NearOptions, seed: int
) -> tuple[Flags, Drops]:
    """Which samples stay, and the others.

    From the best to the least, a sample stays if none that stays is near it: by score, then by slice,
    then by key. So each that is dropped is near one that stays, whatever the order of the rows.
    """
    order = np.lexsort((np.arange(len(keys)), slices, -traits.scores))
    ranked = traits.take(order)
    few, equal = _first_of_equals(ranked, near.any_of)
    of = _kept_neighbours(*_near_any(ranked, few, near.any_of), len(order))
    first, later = equal.T
    of[later] = np.where(of[first] < 0, first, of[first])
    gone = np.flatnonzero(of >= 0)
    details = [_told(ranked, int(row), int(of[row]), near.any_of) for row in gone]
    places = order[gone]
    by_place = np.argsort(places)
    names = names_of(rows, keys[order[of[gone]]][by_place], seed=seed)
    stays = np.ones(len(keys), np.bool_)
    stays[places] = False
    told = why(NEAR, names, [details[at] for at in by_place])
    return stays, Drops(keys[places[by_place]], slices[places[by_place]], told)


def _kept_neighbours(one: Numbers, other: Numbers, size: int) -> Numbers:
    """For each sample, the best that stays of those near it, or -1 where it stays itself; lower is better."""
    by_worse = np.lexsort((one, other))
    one, other = one[by_worse], other[by_worse]
    of = np.full(size, -1, np.int64)
    worse, begins, counts = np.unique(other, return_index=True, return_counts=True)
    for row, begin, count in zip(worse, begins, counts, strict=True):
        better = one[begin : begin + count]
        kept = better[of[better] < 0]
        if len(kept):
            of[row] = kept[0]
    return of


def _near_any(traits: Traits, few: Numbers, rules: Sequence[Rule]) -> tuple[Numbers, Numbers]:
    """Pairs among a few samples that are near by one of the rules, the better first."""
    chosen = traits.take(few)
    pairs = [np.empty((0, 2), np.int64)]
    for rule in rules:
        found = _near_by(chosen, rule)
        pairs.append(np.stack([few[found.one], few[found.other]], axis=1))
    both = np.unique(np.concatenate(pairs), axis=0)
    return both[:, 0], both[:, 1]


def _first_of_equals(traits: Traits, rules: Sequence[Rule]) -> tuple[Numbers, Numbers]:
    """Samples to be compared, of those with equal hashes the best alone; and pairs of a best and one equal to it.

    What is near the best is near its equals too, so that they share its end. Left out is what has no rule's fields.
    """
    whole = np.any([np.all([traits.there[name] for name in rule], axis=0) for rule in rules], axis=0)
    chosen = np.flatnonzero(whole)
    columns = [traits.same[:, None], *traits.hashes.values(), *(flags[:, None] for flags in traits.there.values())]
    joined = np.concatenate([_bytes(column[chosen]) for column in columns], axis=1)
    _, first, codes = np.unique(joined.view(f"V{joined.shape[1]}").ravel(), return_index=True, return_inverse=True)
    best = chosen[first][codes]
    return np.sort(chosen[first]), np.stack([best, chosen], axis=1)[best != chosen]


def _bytes(column: NDArray[Any]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(column).view(np.uint8).reshape(len(column), column.itemsize * column.shape[1])


def _near_by(traits: Traits, rule: Rule) -> Near:
    """Pairs that are near in all fields of a rule, and equal in what has to be; found by the field that tells most."""
    rows = np.flatnonzero(np.all([traits.there[name] for name in rule], axis=0))
    by = min(rule, key=lambda name: (_is_far(traits, name, rule[name]), _cost(traits.hashes[name][rows], rule[name])))

    def accept(one: Numbers, other: Numbers) -> Flags:
        one, other = rows[one], rows[other]
        fits = traits.same[one] == traits.same[other]
        for name in rule:
            if name != by:
                fits &= hamming_distances(traits.hashes[name][one], traits.hashes[name][other]) <= rule[name]
        return np.asarray(fits, np.bool_)

    found = _searched(traits.hashes[by][rows], by, rule[by], accept)
    return found._replace(one=rows[found.one], other=rows[found.other])


def _is_far(traits: Traits, name: str, within: int) -> bool:
    """Whether so many bits can be asked of found pairs alone."""
    return within > furthest(64 * traits.hashes[name].shape[1])


def _searched(words: Words, name: str, within: int, accept: Accept | None = None) -> Near:
    if len(words) > 1 and within > furthest(64 * words.shape[1]):  # of a hash that nothing has the width is unknown
        raise StoreError(
            f"output: '{name}' within {within} bits: hashes of {64 * words.shape[1]} bits can be searched for up to "
            f"{furthest(64 * words.shape[1])}; take fewer, or name another field in the same rule that is nearer"
        )
    try:
        return near_pairs(words, within=within, accept=accept)
    except TooManyError as error:
        raise StoreError(
            f"output: {error} pairs are within {within} bits by '{name}', more than can be held; take fewer bits, "
            "or name more fields in one rule"
        ) from error


def _cost(words: Words, within: int) -> int:
    """About how many pairs a search by these hashes looks at."""
    buckets = (1, 1 + CHUNK, 1 + CHUNK + CHUNK * (CHUNK - 1) // 2)[flips_of(words, within)]
    return buckets * sum(int((np.bincount(column, minlength=1) ** 2).sum()) for column in chunks_of(words).T)


def _told(traits: Traits, row: int, of: int, rules: Sequence[Rule]) -> str:
    """By how many bits a sample differs from the one that stays, in the fields of the first rule that holds."""
    for rule in rules:
        bits = {name: int(hamming_distances(traits.hashes[name][row], traits.hashes[name][of])) for name in rule}
        if all(traits.there[name][[row, of]].all() and bits[name] <= rule[name] for name in rule):
            return f"{', '.join(f'{name} {count}' for name, count in bits.items())} bits from"
    return "near"


def joined_sources(
    sources: NDArray[np.uint64], traits: Traits, *, within: Rule, together: Sequence[str]
) -> NDArray[np.uint64]:
    """For each sample the lowest source of all that are near its own or of its group, however many steps apart."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    known, source = np.unique(sources, return_inverse=True)
    edges = [np.empty((0, 2), np.int64)]
    nodes = len(known)
    for name, bits in within.items():
        rows = np.flatnonzero(traits.there[name])
        values, value = np.unique(traits.hashes[name][rows], axis=0, return_inverse=True)
        found = _searched(np.ascontiguousarray(values), name, bits)
        edges.append(np.stack([source[rows], nodes + value.ravel()], axis=1))
        edges.append(np.stack([found.one, found.other], axis=1) + nodes)
        nodes += len(values)
    for group in (traits.groups[name] for name in together):
        rows = np.flatnonzero(group != b"")
        values, value = np.unique(group[rows], return_inverse=True)
        edges.append(np.stack([source[rows], nodes + value.ravel()], axis=1))
        nodes += len(values)
    one, other = np.concatenate(edges).T
    graph = coo_array((np.ones(len(one), np.bool_), (one, other)), shape=(nodes, nodes))
    _, group = connected_components(graph, directed=False)
    lowest = np.full(nodes, np.iinfo(np.uint64).max, np.uint64)
    np.minimum.at(lowest, group[: len(known)], known)
    return np.asarray(lowest[group[source]], np.uint64)
