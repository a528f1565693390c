"""The family `lora`: that pictures and words reach FLUX.2 Klein as in its pipeline, and from training to an edit."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_pipelines
import torch
from diffusers import Flux2KleinPipeline
from diffusers.pipelines.flux2.image_processor import Flux2ImageProcessor
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow
from pydantic import ValidationError
from reference_trainings import (
    BLUE,
    RED,
    apart,
    example,
    first_output,
    least_apart,
    textured,
    training,
    with_references,
)
from safetensors.torch import load_file
from training_runs import Followed

import datagen
from datagen.core.errors import ConfigError, DataError, SetupError
from datagen.imaging.image import Image
from datagen.train.config import TrainConfig
from datagen.train.data.selection import select
from datagen.train.editing import edit_picture, load_model
from datagen.train.loop import train
from datagen.train.models.lora import klein
from datagen.train.models.lora.net import alike, built, losses_of, reference_size
from datagen.train.models.lora.options import LEAST_SIDE, MOST_PIXELS, MULTIPLE, KleinWeights, LoraConfig
from datagen.train.models.lora.prompts import numbered
from datagen.train.models.tokenizers import tokenizer_of

pytestmark = pytest.mark.torch
LORA = "pytorch_lora_weights.safetensors"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return with_references(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_pipelines.klein_base(tmp_path_factory.mktemp("klein"))


def options(base: Path, **more: Any) -> dict[str, Any]:
    return {
        "kind": "lora",
        "base": {"weights": str(base), "precision": "float32"},
        "lora": {"rank": 4, "alpha": 8},
        "tokens": 160,
        "text_layers": [1, 2],
        "reference_pixels": 64 * 96,
        "sampling_steps": 2,
        **more,
    }


def family_of(base: Path, **more: Any) -> LoraConfig:
    return LoraConfig.model_validate(options(base, **more))


def pixels(data: np.ndarray) -> bytes:
    return Image.of(data).encoded()


def test_the_private_helpers_of_diffusers_are_those_that_are_used() -> None:
    for name, arguments in klein.PRIVATE.items():
        assert tuple(inspect.signature(getattr(Flux2KleinPipeline, name)).parameters) == arguments, name


@contextmanager
def seen_by(transformer: Any) -> Iterator[list[dict[str, torch.Tensor]]]:
    calls: list[dict[str, torch.Tensor]] = []
    hook = transformer.register_forward_pre_hook(lambda _, __, known: calls.append(known), with_kwargs=True)
    try:
        yield calls
    finally:
        hook.remove()


@pytest.mark.parametrize("source", [True, False])
@pytest.mark.parametrize("references", [[], [textured(RED)], [textured(RED, 70, 300), textured(BLUE, 100, 20)]])
def test_training_shows_the_transformer_what_the_pipeline_shows_it(base: Path, source: bool, references: Any) -> None:
    """Coordinates, condition tokens and words are those of an edit; only the noisy part differs."""
    family = family_of(base, guidance=1)
    model = built(family)
    one = example(*references, source=source)
    with seen_by(model.transformer) as calls:
        family.losses(model, family.encode(model, family.batch(model, [one])), torch.Generator().manual_seed(0))
        family.edit(family.pipeline(model), one, seed=0)
    trained, used = calls[0], calls[1]
    for name in ("img_ids", "txt_ids", "encoder_hidden_states"):
        assert torch.equal(trained[name].float(), used[name].float()), name
    noisy = (64 // 16) ** 2
    shown, wanted = (each["hidden_states"][:, noisy:] for each in (trained, used))
    torch.testing.assert_close(shown, wanted, atol=2e-3, rtol=0)  # convolutions round by the layout of the memory
    pictures = len(references) + source
    assert trained["hidden_states"].shape == used["hidden_states"].shape
    assert trained["img_ids"][0, :, 0].unique().tolist() == [10 * number for number in range(pictures + 1)]


def test_examples_with_different_pictures_share_a_batch(base: Path) -> None:
    """The loss of each is what it is alone."""
    family = family_of(base)
    model = built(family)
    examples = [
        example(textured(RED)),
        example(),
        example(textured(BLUE)),
        example(textured(RED), textured(BLUE, 64, 96), source=False),
    ]
    encoded = family.encode(model, family.batch(model, examples))
    assert alike(encoded) == [[0, 2], [1], [3]]
    generator = torch.Generator().manual_seed(0)
    together, times = losses_of(model, encoded, generator, times="uniform")
    generator = torch.Generator().manual_seed(0)
    times_again, noise = (
        torch.rand(4, generator=skip(generator, 4)),
        torch.randn(encoded["latents"].shape, generator=generator),
    )
    assert torch.equal(times, times_again)
    for row, one in enumerate(examples):
        known = family.encode(model, family.batch(model, [one]))
        mixed = torch.lerp(known["latents"], noise[row : row + 1], times[row])
        with seen_by(model.transformer) as calls:
            losses_of(model, known, torch.Generator().manual_seed(0), times="uniform")
        kwargs = {**calls[0]}
        tokens = mixed.shape[2] * mixed.shape[3]
        kwargs["hidden_states"] = torch.cat([klein.packed(mixed), kwargs["hidden_states"][:, tokens:]], dim=1)
        kwargs["timestep"] = times[row : row + 1]
        found = model.transformer(**kwargs)[0][:, :tokens]
        aim = klein.packed(noise[row : row + 1] - known["latents"])
        assert together[row].item() == pytest.approx((found - aim).square().mean().item(), rel=1e-4)


def test_a_batch_in_bfloat16_may_have_examples_without_pictures(base: Path) -> None:
    weights = {"weights": str(base), "precision": "bfloat16"}
    family = LoraConfig.model_validate({**options(base), "base": weights})
    model = built(family)
    encoded = family.encode(model, family.batch(model, [example(textured(RED)), example(source=False)]))
    assert encoded["lengths"].tolist() == [32, 0]
    assert torch.isfinite(family.losses(model, encoded, torch.Generator().manual_seed(0))[0]).all()


@given(st.integers(1, 9000), st.integers(1, 9000), st.integers(LEAST_SIDE**2, MOST_PIXELS))
def test_the_pipeline_takes_a_reference_as_it_is_made(width: int, height: int, pixels: int) -> None:
    size = reference_size((width, height), pixels)
    Flux2ImageProcessor.check_image_input(Pillow.new("L", size))
    assert not size[0] % MULTIPLE
    assert not size[1] % MULTIPLE
    assert size[0] * size[1] <= MOST_PIXELS, "the pipeline would make it smaller"
    if max(width, height) <= 4 * min(width, height):
        assert size[0] * size[1] <= max(pixels, 4 * LEAST_SIDE**2 + LEAST_SIDE * MULTIPLE)


def skip(generator: torch.Generator, number: int) -> torch.Generator:
    torch.randn(number, generator=generator)
    return generator


def test_a_training_that_is_stopped_and_resumed_saves_the_same_lora(
    data: list[str], base: Path, tmp_path: Path
) -> None:
    followed = Followed()
    whole = train(training(data, tmp_path / "whole", options(base)), watcher=followed)
    broken = training(data, tmp_path / "broken", options(base))
    with pytest.raises(KeyboardInterrupt):
        train(broken, watcher=Followed(stop_after=3))
    resumed = train(broken, watcher=Followed())
    one, other = load_file(whole / LORA), load_file(resumed / LORA)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert any(weight.any() for name, weight in one.items() if "lora_B" in name), "nothing was learnt"
    assert all(name.startswith("transformer.") for name in one)
    stored = torch.load(tmp_path / "whole" / "checkpoints" / "step-00000004.pt", weights_only=True)["weights"]
    assert all("lora_" in name for name in stored)
    assert sorted(path.name for path in whole.iterdir()) == ["README.md", "datagen.json", LORA]
    assert str(base) in (whole / "README.md").read_text()
    assert json.loads((whole / "datagen.json").read_text())["model"]["base"]["weights"] == str(base)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_saved_lora_edits_as_the_trained_one(data: list[str], base: Path, tmp_path: Path, precision: str) -> None:
    half = precision == "bfloat16"
    more = {"precision": "bf16" if half else "fp32", "gradient_checkpointing": half}
    family = {**options(base), "base": {"weights": str(base), "precision": precision}}
    config = training(data, tmp_path / "out", family, **more)
    model = train(config, watcher=Followed())
    trained = load_model(str(model), device=torch.device("cpu"))
    one = example(textured(RED))
    edit = trained.edit(one, seed=1)
    pipe = Flux2KleinPipeline.from_pretrained(base, dtype=getattr(torch, precision))
    pipe.set_progress_bar_config(disable=True)
    before = config.model.edit(pipe, one, seed=1)
    pipe.load_lora_weights(str(model))
    np.testing.assert_array_equal(config.model.edit(pipe, one, seed=1), edit)
    assert (before != edit).any(), "the LoRA changes nothing"


def test_edits_depend_on_the_references_and_on_their_order(base: Path) -> None:
    family = family_of(base)
    torch.manual_seed(0)
    pipe = family.pipeline(family.build())
    for name, weight in pipe.transformer.named_parameters():
        if name.endswith("norm_q.weight"):
            weight.data *= 8  # attention that is drawn at random looks at everything alike

    def edit(*references: np.ndarray, source: bool = True) -> torch.Tensor:
        one = example(*references, source=source)
        return first_output(pipe.transformer, lambda: family.edit(pipe, one, seed=0))[0, :16]

    red, blue = textured(RED), textured(BLUE)
    edits = [edit(red), edit(blue), edit(), edit(red, blue), edit(blue, red), edit(red, source=False)]
    assert least_apart(edits) > 1e-3
    assert apart(edit(red), edits[0]) < 1e-5


def test_placeholders_are_numbered_as_the_pictures_come() -> None:
    text = "replace the dog of <imagehere> by <imagehere> and <imagehere>"
    assert numbered(text, (-1, 1, 0), has_source=True) == "replace the dog of image 1 by image 3 and image 2"
    assert numbered("<imagehere> with <imagehere>", (1, 0), has_source=False) == "image 2 with image 1"
    assert numbered("as in <imagehere>", (None,), has_source=True) == "as in the image"


def test_samples_with_too_many_references_or_tokens_are_counted(data: list[str], base: Path, tmp_path: Path) -> None:
    followed = Followed()
    train(training(data, tmp_path / "a", options(base, most_references=1), steps=1), watcher=followed)
    assert any("1 too_many_references" in text for text in followed.texts)
    with pytest.raises(ConfigError, match=r"too_many_tokens: its words and pictures have more tokens"):
        train(training(data, tmp_path / "b", options(base, tokens=40), steps=1), watcher=Followed())


def test_weights_are_looked_up_once_for_all_samples(
    data: list[str], base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repository of the hub is asked over the network each time."""
    calls: list[KleinWeights] = []
    plain = KleinWeights.weights_path

    def counted(weights: KleinWeights) -> Path:
        calls.append(weights)
        return plain(weights)

    monkeypatch.setattr(KleinWeights, "weights_path", counted)
    tokenizer_of.cache_clear()
    samples = datagen.open(data[0])
    assert len(samples) > 1
    assert select(samples, family_of(base).needs(), sizes=[(64, 64)]).numbers
    assert len(calls) == 1


def test_too_much_for_an_edit_is_an_error_and_never_cut(base: Path) -> None:
    family = family_of(base)
    pipe = family.pipeline(family.build())
    with pytest.raises(DataError, match=r"sample 'k' has \d+ tokens; the model takes 160"):
        family.edit(pipe, example(instruction="x" * 200), seed=0)
    with pytest.raises(DataError, match="4 references; the model takes 3"):
        family.edit(pipe, example(*[textured(RED)] * 4), seed=0)


@pytest.mark.parametrize(
    ("texts", "references", "message"),
    [
        (["put <imagehere> on <imagehere> by <imagehere>"], 1, "3 <imagehere> and 1 references"),
        (["put it there"], 4, "4 references: a model of the family 'lora' takes 3"),
    ],
)
def test_references_that_do_not_fit_the_words_are_named(
    data: list[str], base: Path, tmp_path: Path, texts: list[str], references: int, message: str
) -> None:
    model = train(training(data, tmp_path / "out", options(base), steps=1), watcher=Followed())
    trained = load_model(str(model), device=torch.device("cpu"))
    pictures = [pixels(textured(RED))] * references
    with pytest.raises(ConfigError, match=message):
        edit_picture(trained, pixels(textured(BLUE)), texts, boxes=[], references=pictures, seed=0)
    edited = edit_picture(
        trained, pixels(textured(BLUE)), ["put <imagehere> on <imagehere>"], boxes=[], references=pictures[:1], seed=0
    )
    assert edited.shape == (64, 64, 3)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"text_layers": [1, 3]}, "3 is none of the 2 layers"),
        ({"text_layers": [1]}, "have 16 channels, its transformer reads 32"),
        ({"lora": {"targets": ["to_z"]}}, "ends in 'to_z'; did you mean"),
    ],
)
def test_options_that_do_not_fit_the_weights_are_named(base: Path, more: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        family_of(base, **more).build()


def test_another_pipelines_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="is a StableDiffusionPipeline; the family 'lora' trains a Flux2KleinPipeline"):
        family_of(tiny_pipelines.text_to_image(tmp_path)).build()
    with pytest.raises(SetupError, match=r"has no model_index\.json"):
        family_of(tmp_path).build()
    with pytest.raises(SetupError, match="there are no weights at"):
        family_of(tmp_path / "nowhere").build()


@pytest.mark.parametrize(
    ("size", "message"), [([48, 48], "from 64 pixels on"), ([1040, 1040], "at most"), ([72, 64], "16")]
)
def test_a_size_that_the_pipeline_would_change_is_refused(base: Path, size: list[int], message: str) -> None:
    config = training(["a"], Path("b"), options(base)).model_dump(mode="json")
    with pytest.raises(ValidationError, match=message):
        TrainConfig.model_validate({**config, "data": {**config["data"], "sizes": [size]}})


def test_other_base_weights_are_refused_where_a_training_was_begun(data: list[str], base: Path, tmp_path: Path) -> None:
    train(training(data, tmp_path / "out", options(base), steps=1), watcher=Followed())
    moved = tmp_path / "other"
    moved.symlink_to(base)
    with pytest.raises(ConfigError, match="another value of bases"):
        train(training(data, tmp_path / "out", options(moved), steps=1), watcher=Followed())
