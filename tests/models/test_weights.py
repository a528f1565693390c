"""Where weights come from, what they take of a device, and batches that have to fit."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import huggingface_hub.constants
import pydantic
import pytest
import torch
from building import context_of, run_local, toy_config
from commands import call
from hypothesis import given, settings
from hypothesis import strategies as st
from rings import example_count

from datagen.core.errors import ConfigError, DataError, SetupError
from datagen.execute.inspect.plan import as_text
from datagen.execute.reuse.fingerprints import stage_fingerprints
from datagen.models.detectors.grounding_dino import GroundingDinoConfig
from datagen.models.weights.batches import Batches
from datagen.models.weights.config import WeightsConfig
from datagen.models.weights.packages import import_package
from datagen.pipeline.config import load
from datagen.pipeline.graph import build

pytestmark = pytest.mark.torch

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class ToyConfig(WeightsConfig):
    kind: Literal["toy"] = "toy"


def test_a_revision_names_what_pins_the_weights_and_no_folder_of_this_machine(tmp_path: Path) -> None:
    assert ToyConfig(weights="owner/name", commit=COMMIT).revision == f"toy@1:owner/name@{COMMIT}"
    assert ToyConfig(weights=str(tmp_path / "vit_h.pth"), commit="mine").revision == "toy@1:vit_h.pth@mine"
    assert ToyConfig(weights="./vit_h.pth", sha256="a" * 64).revision == f"toy@1:vit_h.pth@{'a' * 16}"


def test_the_default_s_pin_goes_with_the_default_weights_alone() -> None:
    default = GroundingDinoConfig()
    assert default.is_pinned
    assert GroundingDinoConfig(weights=default.weights).commit == default.commit
    assert not GroundingDinoConfig(weights="IDEA-Research/grounding-dino-tiny").is_pinned
    assert not GroundingDinoConfig(weights="./dino").is_pinned
    assert GroundingDinoConfig(weights="./dino", commit="mine").commit == "mine"
    assert not GroundingDinoConfig(commit="").is_pinned


def test_pinned_weights_may_move_and_others_may_not(tmp_path: Path) -> None:
    def printed(place: str, commit: str) -> str:
        sets = [f"fetch_weights.model.{key}={value}" for key, value in {"weights": place, "commit": commit}.items()]
        return stage_fingerprints(build(load(_toy(tmp_path), sets=sets)))["fetch_weights"]

    assert printed("./a/sam.pth", "one") == printed("/b/sam.pth", "one") != printed("./a/sam.pth", "two")
    assert printed("./a/sam.pth", "''") != printed("/b/sam.pth", "''")
    assert str(tmp_path) not in ToyConfig(weights=str(tmp_path / "sam.pth")).revision


def test_a_missing_package_is_told_before_its_module_is_imported() -> None:
    class OddConfig(ToyConfig):
        packages = ("no_such_package",)

    with pytest.raises(SetupError, match=r"'no_such_package' is not installed .*: pip install 'datagen\[models\]'"):
        OddConfig(weights="owner/name").fetch()


@pytest.mark.parametrize(
    ("options", "pinned"),
    [
        ({"weights": "owner/name"}, False),
        ({"weights": "owner/name", "commit": "main"}, False),
        ({"weights": "owner/name", "commit": COMMIT}, True),
        ({"weights": "owner/name:sam.pth", "sha256": "0" * 64}, True),
        ({"weights": "/models/sam"}, False),
        ({"weights": "/models/sam", "commit": "2026-11"}, True),
    ],
)
def test_only_a_commit_or_a_checksum_pins_weights(options: dict[str, Any], pinned: bool) -> None:
    assert ToyConfig(**options).is_pinned is pinned


def test_weights_are_a_repository_or_a_path() -> None:
    with pytest.raises(pydantic.ValidationError, match=r"'sam_vit_h\.pth' is neither .* start a path with \./"):
        ToyConfig(weights="sam_vit_h.pth")


def test_weights_of_ones_own_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"there are no weights at .*sam\.pth \(`weights` of kind 'toy'\): put them"):
        ToyConfig(weights=str(tmp_path / "sam.pth")).fetch()


def test_a_checksum_is_held_against_the_file(tmp_path: Path) -> None:
    path = tmp_path / "sam.pth"
    path.write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    assert ToyConfig(weights=str(path), sha256=digest).weights_path() == path
    path.write_bytes(b"weight5")
    with pytest.raises(SetupError, match=f"has the checksum .* not {digest} .* damaged or another file"):
        ToyConfig(weights=str(path), sha256=digest).weights_path()
    with pytest.raises(SetupError, match=r"is for weights that are one file, but .* is a folder"):
        ToyConfig(weights=str(tmp_path), sha256=digest).weights_path()


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ("owner/name", f"hf download owner/name --revision {COMMIT}"),
        ("owner/name:a.pth", "hf download owner/name a.pth"),
    ],
)
def test_a_hub_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch, weights: str, message: str) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(SetupError, match=rf"the weights {weights} cannot be fetched .*: run `{message}"):
        ToyConfig(weights=weights, commit=COMMIT).fetch()


def test_a_package_that_is_missing() -> None:
    with pytest.raises(SetupError, match=r"'no_such_package' is not installed .*: pip install 'datagen\[models\]'"):
        import_package("no_such_package", extra="models")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_missing_is_no_reason_to_take_the_cpu() -> None:
    with pytest.raises(SetupError, match=r"given a GPU \(`resources.gpus`\), but torch .* sees none here"):
        ToyConfig(weights="owner/name").prepare("cuda")


def test_number_formats() -> None:
    assert ToyConfig(weights="owner/name", precision="bfloat16").prepare("cpu") is torch.bfloat16


@settings(max_examples=example_count(25))  # each collects garbage, as torch's memory is to be let go
@given(st.lists(st.integers(), max_size=40), st.integers(1, 16), st.integers(1, 16))
def test_a_batch_that_does_not_fit_is_halved_and_stays_small(items: list[int], size: int, fits: int) -> None:
    sizes: list[int] = []

    def call(batch: Sequence[int]) -> list[int]:
        sizes.append(len(batch))
        if len(batch) > fits:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return [-item for item in batch]

    batches = Batches(size)
    assert batches.map(items, call) == [-item for item in items]
    assert sum(taken > fits for taken in sizes) <= size.bit_length()
    assert batches.size <= size
    assert not items or sorted(sizes, reverse=True)[: len(sizes) - 1] == sizes[:-1]


def test_memory_that_really_ends() -> None:
    def call(batch: Sequence[int]) -> list[int]:
        torch.empty(len(batch) * 10**15)
        return list(batch)

    with pytest.raises(DataError, match=r"does not fit into memory even alone: .*can't allocate memory"):
        Batches(4).map([1, 2, 3], call)


@pytest.mark.parametrize("message", ["CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED", "CUFFT_ALLOC_FAILED"])
def test_memory_that_a_library_of_cuda_s_lacks(message: str) -> None:
    def call(batch: Sequence[int]) -> list[int]:
        if len(batch) > 1:
            raise RuntimeError(f"CUDA error: {message} when calling `cublasCreate(handle)`")
        return list(batch)

    assert Batches(4).map([1, 2, 3], call) == [1, 2, 3]


def test_other_errors_are_not_taken_for_a_lack_of_memory() -> None:
    def call(batch: Sequence[int]) -> list[int]:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        Batches(4).map([1, 2, 3], call)


def _toy(folder: Path, **keys: Any) -> Path:
    weights = folder / "weights.bin"
    weights.write_text("")
    stage = {"use": "fetch_weights", "with": {"model": {"weights": str(weights), "gpu_memory_gb": 10}}, **keys}
    return toy_config(folder, [stage, {"use": "paint"}], profiles={"embedded": {"gpu_memory_gb": 24}})


def test_weights_are_fetched_once_a_machine(tmp_path: Path) -> None:
    run_local(build(load(_toy(tmp_path))), tmp_path / "out")
    assert (tmp_path / "weights.bin").read_text() == "x"


def test_weights_need_not_be_there_where_all_answers_are_kept(tmp_path: Path) -> None:
    config, out = _toy(tmp_path), tmp_path / "out"
    run_local(build(load(config)), out)
    (tmp_path / "weights.bin").unlink()
    again = run_local(build(load(config, sets=["paint.side=8"])), out)
    assert again.counts.accepted == 8


@pytest.mark.parametrize(("gpus", "has"), [(0.25, "6"), (0.4, "9.6")])
def test_models_that_cannot_fit_their_share_of_a_gpu_are_refused(tmp_path: Path, gpus: float, has: str) -> None:
    config = _toy(tmp_path, resources={"gpus": gpus})
    with pytest.raises(
        ConfigError,
        match=rf"toy\.yaml:\d+: the models of 'fetch_weights' take 10 GiB of GPU memory, but {gpus} of a GPU "
        rf"with 24 GiB is {has}; raise `resources",
    ):
        build(load(config))


@pytest.mark.parametrize("gpus", [1, 2])
def test_more_gpus_are_no_more_memory_and_are_not_advised(tmp_path: Path, gpus: float) -> None:
    sets = ["fetch_weights.model.gpu_memory_gb=40"]
    with pytest.raises(ConfigError, match=r"take 40 GiB .*, but the one GPU that they all go onto has 24; take a smal"):
        build(load(_toy(tmp_path, resources={"gpus": gpus}), sets=sets))
    with pytest.raises(ConfigError, match=r"but 0\.5 of a GPU with 24 GiB is 12; take a smaller model"):
        build(load(_toy(tmp_path, resources={"gpus": 0.5}), sets=sets))


def test_memory_that_nothing_is_held_against_is_noted(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config = _toy(tmp_path, resources={"gpus": 0.25})
    result = call("check", config, "--set", "profiles.embedded.gpu_memory_gb=null", capfd=capfd)
    assert result.code == 0
    assert (
        ": the models of 'fetch_weights' take 10 GiB of GPU memory and 0.25 of a GPU, so that it wants GPUs of 40 GiB; "
        "none is held against that, as the profile does not say `gpu_memory_gb`\n" in result.out
    )
    assert result.out.startswith("note: ")
    as_json = call("check", config, "--json", "--set", "profiles.embedded.gpu_memory_gb=null", capfd=capfd)
    assert [note.partition(": ")[2] for note in as_json.data["notes"]] == [result.out.splitlines()[0].split(": ", 2)[2]]
    enough = call("check", config, "--json", "--set", "profiles.embedded.gpu_memory_gb=48", capfd=capfd)
    on_cpu = call("check", _toy(tmp_path, resources={"gpus": 0}), "--json", capfd=capfd)
    assert (enough.data["notes"], on_cpu.data["notes"]) == ([], [])


@pytest.mark.parametrize("gpus", [0, 0.5, 2])
def test_models_that_fit_or_take_no_gpu_are_not(tmp_path: Path, gpus: float) -> None:
    assert build(load(_toy(tmp_path, resources={"gpus": gpus}))).nodes[0].gpu_memory_gb == 10


def test_a_plan_tells_what_is_not_pinned_and_what_a_gpu_has_to_hold(tmp_path: Path) -> None:
    found = as_text(context_of(build(load(_toy(tmp_path, resources={"gpus": 0.5})))))
    assert (
        f"not pinned: 'fetch_weights' takes whatever {tmp_path / 'weights.bin'} is at the time; give its `commit`"
        in found
    )
    assert "0.5 GPUs a worker, 10 GiB of GPU memory" in found


@given(st.lists(st.integers(0, 3)), st.integers(1, 5))
def test_items_of_one_key_go_together_and_come_back_in_their_order(items: list[int], size: int) -> None:
    def call(batch: Sequence[int]) -> list[int]:
        assert len(set(batch)) == 1
        assert len(batch) <= size
        return [10 * item for item in batch]

    made = Batches(size).map_grouped(items, call, key=lambda item: item)
    assert made == [10 * item for item in items]
