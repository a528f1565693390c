"""Keep pictures of benchmarks out of training sets."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from datagen import Answer, Failed, Map, Record, Reject, StageConfig, Threshold
from datagen.imaging.perceptual_hash import PictureHash, read_hash
from datagen.models.hashers.benchmark_list import BenchmarkListConfig, Nearest, nearest


class Decontaminate(Map):
    """Drop pictures that are in a benchmark, or nearly equal to one that is.

    Compares the picture's hash with every item of every list. The rejection `in_benchmark` names the list, the item and
    the distance in bits. Lists hold hashes, never pictures. A hash that was made otherwise than those of a list fails
    the record.
    """

    reads = ("picture_hash",)
    writes = ("benchmark_distance",)
    rejects = ("in_benchmark",)
    thresholds = (Threshold("benchmark_distance", "least", "min_bits", "in_benchmark"),)
    version = 2

    class Config(StageConfig):
        """What is kept out."""

        lists: tuple[BenchmarkListConfig, ...] = Field(min_length=1, max_length=100)
        """The benchmarks, each with a name and the file of its hashes."""
        min_bits: int = Field(ge=1)
        """Fewest bits by which a picture has to differ from every item, at most half of those the hasher makes, in
        which unrelated ones differ. Of phash256's 256, copies of another size or codec differ in up to 8, such as
        lost 1 % on each side in up to 24: 33 is above both. It means nothing to another hasher."""

    config: Config

    @classmethod
    def hash_makers(cls, config: Config) -> Mapping[str, tuple[str, ...]]:
        """The hashers of which every list has hashes."""
        makers = [set(chosen.load()) for chosen in config.lists]
        return {"picture_hash": tuple(sorted(set.intersection(*makers)))}

    def setup(self, device: str) -> None:  # noqa: ARG002
        """Read the lists."""
        self.lists = {chosen.name: chosen.load() for chosen in self.config.lists}

    def process(self, batch: list[Record]) -> list[Answer]:
        """Judge each picture."""
        return [self._judge(record["picture_hash"]) for record in batch]

    def _judge(self, text: str) -> Answer:
        hash = read_hash(text)
        if self.config.min_bits > hash.bits // 2:
            return Failed(_too_many(self.config.min_bits, hash))
        found = [Nearest(hash.bits, "", "")]  # as far as hashes can be, if all lists are empty
        for name, items in self.lists.items():
            if hash.by not in items:
                return Failed(_other(name, hash.by, sorted(items)))
            found.append(nearest(hash, items=items[hash.by], list=name))
        closest = min(found)
        scores = {"benchmark_distance": float(closest.distance)}
        if closest.distance < self.config.min_bits:
            detail = f"'{closest.item}' of '{closest.list}', {closest.distance} of {hash.bits} bits differ"
            return Reject("in_benchmark", detail, scores)
        return scores


def _too_many(min_bits: int, hash: PictureHash) -> str:
    half = f"some {hash.bits // 2} of the {hash.bits} bits of {hash.by}"
    return f"`min_bits` is {min_bits}, but unrelated pictures differ in {half}; take fewer, or a hasher of more bits"


def _other(list: str, by: str, has: list[str]) -> str:
    ways = ", ".join(has)
    return f"the picture's hash is {by}, those of list '{list}' are {ways}; make both with the same hasher"
