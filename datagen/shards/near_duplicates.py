"""Near duplicates, by the hashes in the ledger.

Of samples that are near each other, one stays. Sources whose samples are near each other, or belong to one group, go to
the same split.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from datagen.core.errors import DataError, StoreError
from datagen.imaging.perceptual_hash import Words, distances, read_hash
from datagen.shards.columns import Digests, Flags, Numbers, Rows, digests, found_in
from datagen.shards.distance_limit import CHUNK, furthest
from datagen.shards.duplicates import Drops, names_of, why
from datagen.shards.hamming_search import Accept, NearPairs, TooManyPairsError, chunks_of, flips_of, near_pairs
from datagen.shards.options import NearOptions, OutputOptions

NEAR = "near_duplicate"

Rule = Mapping[str, int]


class Traits(NamedTuple):
    """The values that packing compares, as arrays with one row a sample, in the order of the sorted keys."""

    hashes: Mapping[str, Words]
    """Hashes by field, N x words."""
    there: Mapping[str, Flags]
    """By field, whether the sample has a hash in it."""
    same: Digests
    """A digest of the fields that must be equal (`same`)."""
    scores: NDArray[np.float64]
    """The sample with the higher score stays; -inf without a score."""
    groups: Mapping[str, Digests] = {}
    """By field, a digest of the value; b'' without a value."""

    def take(self, rows: Numbers | Flags) -> Traits:
        """The traits of some samples."""
        hashes = {name: words[rows] for name, words in self.hashes.items()}
        there = {name: flags[rows] for name, flags in self.there.items()}
        groups = {name: values[rows] for name, values in self.groups.items()}
        return Traits(hashes, there, self.same[rows], self.scores[rows], groups)


def read_traits(rows: Rows, keys: Digests, *, options: OutputOptions, seed: int) -> Traits:
    """The traits of the samples with the sorted `keys`. Raises `StoreError` if a field holds no valid hash."""
    near = options.near_duplicates
    same, score = (near.same, near.keep) if near else ((), "")
    together = (*options.together, *([options.split_from] if options.split_from else []))
    read = _TraitsReader(keys, options.compared, same, score, together)
    for table in rows(["key", "fields", "scores"]):
        places, known = found_in(keys, digests(table["key"], seed=seed))
        texts = zip(*(table[name].to_pylist() for name in ("key", "fields", "scores")), strict=True)
        for place, there, cells in zip(places.tolist(), known.tolist(), texts, strict=True):
            if there:
                read.take(place, *cells)
    return read.done()


def group_of(value: Any) -> bytes:
    """The digest of a value, as in `Traits.groups`."""
    return hashlib.sha256(json.dumps(value).encode()).digest()[:16]


class _TraitsReader:
    """Fills the arrays of `Traits` from JSON cells of the ledger."""

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
        """Read the cells of one sample into row `place`."""
        values: dict[str, Any] = json.loads(fields or "{}")
        for name in self._fields:
            if values.get(name):
                self._take_hash(name, place, key, values[name])
        equal = json.dumps([values.get(name) for name in self._same], sort_keys=True).encode()
        self._equal[place] = hashlib.sha256(equal).digest()[:16]
        for name, group in self._groups.items():
            if values.get(name):
                group[place] = group_of(values[name])
        if self._score:
            self._scores[place] = json.loads(scores or "{}").get(self._score, -np.inf)

    def _take_hash(self, name: str, place: int, key: str, text: str) -> None:
        try:
            hash = read_hash(text)
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
        """The traits of all samples that were read."""
        hashes = {name: self._hashes.get(name, np.zeros((self._size, 1), np.uint64)) for name in self._fields}
        return Traits(hashes, self._there, self._equal, self._scores, self._groups)


def drop_near(
    traits: Traits, keys: Digests, slices: NDArray[np.int32], rows: Rows, *, near: NearOptions, seed: int
) -> tuple[Flags, Drops]:
    """Which samples stay, and the dropped ones with their reasons.

    Samples are ranked by score (highest first), then slice, then key. In this order, a sample stays if no sample that
    stays is near it. So every dropped sample is near one that stays, and the order of the rows changes nothing.
    """
    order = np.lexsort((np.arange(len(keys)), slices, -traits.scores))
    ranked = traits.take(order)
    few, equal = _first_of_equals(ranked, near.any_of)
    of = _best_neighbours(*_near_any(ranked, few, near.any_of), len(order))
    first, later = equal.T
    # a sample equal to the best of its kind is replaced by it, or by what replaces it
    of[later] = np.where(of[first] < 0, first, of[first])
    gone = np.flatnonzero(of >= 0)
    details = [_detail(ranked, int(row), int(of[row]), near.any_of) for row in gone]
    places = order[gone]
    by_place = np.argsort(places)
    names = names_of(rows, keys[order[of[gone]]][by_place], seed=seed)
    stays = np.ones(len(keys), np.bool_)
    stays[places] = False
    reasons = why(NEAR, names, [details[at] for at in by_place])
    return stays, Drops(keys[places[by_place]], slices[places[by_place]], reasons)


def _best_neighbours(one: Numbers, other: Numbers, size: int) -> Numbers:
    """For each sample, the best (lowest) row that stays and is near it, or -1 if the sample itself stays."""
    by_worse = np.lexsort((one, other))
    one, other = one[by_worse], other[by_worse]
    of = np.full(size, -1, np.int64)
    worse, begins, counts = np.unique(other, return_index=True, return_counts=True)
    for row, begin, count in zip(worse, begins, counts, strict=True):
        better = one[begin : begin + count]
        staying = better[of[better] < 0]
        if len(staying):
            of[row] = staying[0]
    return of


def _near_any(traits: Traits, few: Numbers, rules: Sequence[Rule]) -> tuple[Numbers, Numbers]:
    """Pairs of the samples `few` that are near by at least one rule, the better (lower) row first."""
    chosen = traits.take(few)
    pairs = [np.empty((0, 2), np.int64)]
    for rule in rules:
        found = _near_by(chosen, rule)
        pairs.append(np.stack([few[found.one], few[found.other]], axis=1))
    both = np.unique(np.concatenate(pairs), axis=0)
    return both[:, 0], both[:, 1]


def _first_of_equals(traits: Traits, rules: Sequence[Rule]) -> tuple[Numbers, Numbers]:
    """The samples to compare, and pairs (best, equal) of samples with equal hashes.

    Of samples with equal hashes only the best is compared: a sample near it is near its equals too, so they share its
    outcome. Samples that lack a field of every rule are left out.
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


def _near_by(traits: Traits, rule: Rule) -> NearPairs:
    """Pairs that are near in all fields of a rule and equal in `same`; searched by the cheapest field."""
    rows = np.flatnonzero(np.all([traits.there[name] for name in rule], axis=0))
    by = min(rule, key=lambda name: (_is_far(traits, name, rule[name]), _cost(traits.hashes[name][rows], rule[name])))

    def accept(one: Numbers, other: Numbers) -> Flags:
        one, other = rows[one], rows[other]
        fits = traits.same[one] == traits.same[other]
        for name in rule:
            if name != by:
                fits &= distances(traits.hashes[name][one], traits.hashes[name][other]) <= rule[name]
        return np.asarray(fits, np.bool_)

    found = _searched(traits.hashes[by][rows], by, rule[by], accept)
    return found._replace(one=rows[found.one], other=rows[found.other])


def _is_far(traits: Traits, name: str, within: int) -> bool:
    """Whether the search cannot reach `within` bits, so that this field can only filter pairs found by another."""
    return within > furthest(64 * traits.hashes[name].shape[1])


def _searched(words: Words, name: str, within: int, accept: Accept | None = None) -> NearPairs:
    if len(words) > 1 and within > furthest(64 * words.shape[1]):  # with no hash at all, the width is unknown
        raise StoreError(
            f"output: '{name}' within {within} bits: hashes of {64 * words.shape[1]} bits can be searched for up to "
            f"{furthest(64 * words.shape[1])}; take fewer, or name another field in the same rule that is nearer"
        )
    try:
        return near_pairs(words, within=within, accept=accept)
    except TooManyPairsError as error:
        raise StoreError(
            f"output: {error} pairs are within {within} bits by '{name}', more than can be held; take fewer bits, "
            "or name more fields in one rule"
        ) from error


def _cost(words: Words, within: int) -> int:
    """About how many candidate pairs a search by these hashes compares."""
    buckets = (1, 1 + CHUNK, 1 + CHUNK + CHUNK * (CHUNK - 1) // 2)[flips_of(words, within)]
    return buckets * sum(int((np.bincount(column, minlength=1) ** 2).sum()) for column in chunks_of(words).T)


def _detail(traits: Traits, row: int, of: int, rules: Sequence[Rule]) -> str:
    """Text for a dropped sample: its distance in bits to the one that stays, by field of the first rule that holds."""
    for rule in rules:
        bits = {name: int(distances(traits.hashes[name][row], traits.hashes[name][of])) for name in rule}
        if all(traits.there[name][[row, of]].all() and bits[name] <= rule[name] for name in rule):
            return f"{', '.join(f'{name} {count}' for name, count in bits.items())} bits from"
    return "near"


def joined_sources(
    sources: NDArray[np.uint64], traits: Traits, *, within: Rule, together: Sequence[str]
) -> NDArray[np.uint64]:
    """For each sample, the lowest source that near hashes or groups link to its own, over any number of steps."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    known, source = np.unique(sources, return_inverse=True)
    # nodes of the graph: sources first, then the distinct hashes of each field, then the values of each group
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
