"""The family `mcie`: trained, saved, resumed and used at a tiny size, from each kind of weights that it takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from finished import finished
from peft.tuners.lora import LoraLayer
from tiny_pipelines import instruct_pix2pix, sd_inpaint, text_to_image
from training_runs import Followed
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from datagen.core.errors import ConfigError, DataError
from datagen.core.fields import Box
from datagen.imaging.image import Image
from datagen.train.config import TrainConfig
from datagen.train.data.examples import WHOLE, ExamplePart, TrainingExample
from datagen.train.data.selection import Facts, SingleEdit
from datagen.train.editing import edit_picture, load_model
from datagen.train.loop import train
from datagen.train.models.mcie.options import MCIEConfig

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # of diffusers, with numpy 2
]

DEPTHS = {"box_depth": 1, "background_depth": 1, "background_queries": 3}


@pytest.fixture(scope="module")
def edits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.mktemp("edits") / "out")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("weights")


@pytest.fixture(scope="module")
def clip(weights: Path) -> Path:
    torch.manual_seed(1)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    encoder = CLIPVisionModelWithProjection(CLIPVisionConfig(**sizes, image_size=32, patch_size=16))
    encoder.save_pretrained(weights / "clip")
    return weights / "clip"


def family(base: Path, clip: Path, **options: Any) -> MCIEConfig:
    given = {"weights": str(base), "image_encoder": {"weights": str(clip)}, "lora_rank": 2, "sampling_steps": 2}
    return MCIEConfig.model_validate({**given, **DEPTHS, "boxes": "whole_picture", **options})


def training(edits: Path, place: Path, model: MCIEConfig, **more: Any) -> TrainConfig:
    return TrainConfig.model_validate(
        {
            "train": "tiny",
            "out": str(place),
            "data": {"datasets": [{"path": str(edits), "split": None}], "sizes": [[32, 32]], "flip": 0.5},
            "model": model.model_dump(),
            "steps": 3,
            "batch_size": 2,
            "optimizer": {"learning_rate": 1e-2, "warmup_steps": 0},
            "checkpoints": {"every": 1, "keep": 3},
            "evaluation": {"every": 3, "split": None, "samples": 2, "pictures": 1},
            "threads": 1,
            **more,
        }
    )


def example(**changes: Any) -> TrainingExample:
    source = np.full((32, 32, 3), 90, np.uint8)
    parts = (ExamplePart("add a cup", (0.0, 0.0, 0.5, 0.5)), ExamplePart("make it red", (0.5, 0.5, 1.0, 1.0)))
    made = TrainingExample("k", source, source, (), "add a cup", "add a cup and make it red", parts, False)
    return made._replace(**changes)


def test_a_training_leaves_a_pipeline_with_a_stock_unet_that_edits_as_the_trained_one(
    edits: Path, weights: Path, clip: Path, tmp_path: Path
) -> None:
    model = family(instruct_pix2pix(weights), clip)
    place = train(training(edits, tmp_path / "out", model), watcher=Followed())
    index = json.loads((place / "model_index.json").read_text())
    assert index["_class_name"] == "MCIEPipeline"
    assert index["unet"] == ["diffusers", "UNet2DConditionModel"]
    trained = load_model(str(tmp_path / "out"), device=torch.device("cpu"))
    edited = trained.edit(example(), seed=1)
    assert edited.shape == (32, 32, 3)
    moved = example(parts=tuple(part._replace(box=(0.0, 0.5, 0.5, 1.0)) for part in example().parts))
    assert (trained.edit(moved, seed=1) != edited).any()
    picture = Image.of(np.full((40, 60, 3), 120, np.uint8)).encoded()
    boxes = [(0, 0, 40, 20), (20, 20, 40, 40)]
    assert edit_picture(trained, picture, ["add a cup", "make it red"], boxes=boxes, seed=1).shape == (32, 32, 3)


def test_a_planned_edit_binds_each_part_and_keeps_the_whole_instruction(
    edits: Path, weights: Path, clip: Path, tmp_path: Path
) -> None:
    train(training(edits, tmp_path / "out", family(instruct_pix2pix(weights), clip)), watcher=Followed())
    trained = load_model(str(tmp_path / "out"), device=torch.device("cpu"))
    pixels_HWC = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    whole = "Add a cup, then make it night."

    def edited(text: str, *boxes: Box | None) -> Any:
        found = Image.of(pixels_HWC).encoded()
        return edit_picture(trained, found, ["add a cup", "make it night"], boxes=boxes, whole=text, seed=1)

    parts = (ExamplePart("add a cup", (0.0, 0.5, 0.5, 1.0)), ExamplePart("make it night", WHOLE))
    one = TrainingExample("", pixels_HWC, pixels_HWC, (), whole, whole, parts, False)
    planned = edited(whole, (0, 16, 16, 32), None)
    np.testing.assert_array_equal(planned, trained.edit(one, seed=1))
    assert (planned != edited(whole, (16, 0, 32, 16), None)).any()
    assert (planned != edited("", (0, 16, 16, 32), None)).any()


def test_the_merged_unet_predicts_what_the_one_with_its_lora_does(weights: Path, clip: Path) -> None:
    torch.manual_seed(0)
    model = family(text_to_image(weights), clip).build()
    for layer in model.unet.modules():
        if isinstance(layer, LoraLayer):
            layer.lora_B["default"].weight.data.normal_()
    assert any(".lora_" in name for name in model.unet.state_dict())
    merged = model.merged_pipeline().unet.state_dict()[
        "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q.weight"
    ]
    layer = model.unet.down_blocks[1].attentions[0].transformer_blocks[0].attn1.to_q
    hidden = torch.randn(1, 3, layer.in_features)
    torch.testing.assert_close(layer(hidden), hidden @ merged.T)
    options = {"num_inference_steps": 2, "boxes": [(0, 0, 9, 9)], "sub_instructions": ["add a cup"]}
    from PIL import Image as Pillow

    edits = [each(Pillow.new("RGB", (32, 32)), "x", **options) for each in (model.pipeline(), model.merged_pipeline())]
    np.testing.assert_allclose(np.asarray(edits[0], int), np.asarray(edits[1], int), atol=1)


def test_a_training_that_is_stopped_and_resumed_ends_with_the_same_weights(
    edits: Path, weights: Path, clip: Path, tmp_path: Path
) -> None:
    model = family(text_to_image(weights), clip)
    whole = train(training(edits, tmp_path / "whole", model), watcher=Followed())
    with pytest.raises(KeyboardInterrupt):
        train(training(edits, tmp_path / "broken", model), watcher=Followed(stop_after=2))
    resumed = train(training(edits, tmp_path / "broken", model), watcher=Followed())
    for part in ("unet", "guidance"):
        one, other = ((place / part / "diffusion_pytorch_model.safetensors").read_bytes() for place in (whole, resumed))
        assert one == other


def test_what_is_trained(weights: Path, clip: Path) -> None:
    def trained(**options: Any) -> set[str]:
        model = family(instruct_pix2pix(weights), clip, **options).build()
        return {name for name, weight in model.named_parameters() if weight.requires_grad}

    every = trained()
    assert {name.split(".")[0] for name in every} == {"unet", "guidance"}
    assert all("attn2" in name or ("attn1" in name and "lora" in name) for name in every if name.startswith("unet"))
    assert not any("lora" in name for name in trained(lora_rank=0))
    assert not any("attn2" in name for name in trained(train_cross_attention=False))
    assert not any("background" in name or "source" in name for name in trained(background="none"))


def test_a_second_phase_begins_with_the_first_ones_model(
    edits: Path, weights: Path, clip: Path, tmp_path: Path
) -> None:
    first = family(instruct_pix2pix(weights), clip)
    place = train(training(edits, tmp_path / "first", first), watcher=Followed())
    second = family(place, clip / "nowhere", schedule="none").build()
    begun = load_model(str(place), device=torch.device("cpu"))
    assert second.guidance.config.schedule == "none"
    weight = "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q.weight"
    assert torch.equal(second.merged_pipeline().unet.state_dict()[weight], begun.pipeline.unet.state_dict()[weight])
    for name, value in begun.pipeline.guidance.state_dict().items():
        assert torch.equal(second.guidance.state_dict()[name], value)
    with pytest.raises(ConfigError, match="was trained with a background; keep it so"):
        family(place, clip, background="none").build()


def test_the_loss_sees_no_words_and_no_boxes_where_text_is_dropped(weights: Path, clip: Path) -> None:
    def losses(drop: str, one: TrainingExample) -> list[float]:
        drops = {name: float(name == drop) for name in ("drop_text", "drop_image", "drop_both")}
        torch.manual_seed(0)
        options = family(instruct_pix2pix(weights), clip, **drops)
        model = options.build()
        encoded = options.encode(model, options.batch(model, [one]))
        with torch.no_grad():
            return [float(each) for each in options.losses(model, encoded, torch.Generator().manual_seed(3))[0]]

    plain = example()
    worded = example(text="remove the dog", parts=tuple(part._replace(text="remove it") for part in plain.parts))
    moved = example(parts=tuple(part._replace(box=(0.0, 0.5, 0.5, 1.0)) for part in plain.parts))
    other = example(source=np.full((32, 32, 3), 200, np.uint8))
    assert losses("drop_text", plain) == losses("drop_text", worded) == losses("drop_text", moved)
    assert losses("drop_text", plain) != losses("drop_text", other)
    assert losses("drop_image", plain) == losses("drop_image", other)
    assert losses("drop_image", plain) != losses("drop_image", worded)
    assert losses("drop_image", plain) != losses("drop_image", moved)
    assert losses("drop_both", plain) == losses("drop_both", worded._replace(source=other.source))


def test_what_fills_up_a_batch_changes_nothing(weights: Path, clip: Path) -> None:
    def loss(most: int) -> float:
        torch.manual_seed(0)
        options = family(instruct_pix2pix(weights), clip, most_edits=most, drop_text=0, drop_image=0, drop_both=0)
        model = options.build()
        encoded = options.encode(model, options.batch(model, [example()]))
        with torch.no_grad():
            return float(options.losses(model, encoded, torch.Generator().manual_seed(3))[0])

    assert loss(2) == pytest.approx(loss(4), rel=1e-5)


def test_samples_that_it_cannot_take_are_left_out_with_their_reason(weights: Path, clip: Path) -> None:
    options = family(instruct_pix2pix(weights), clip, boxes="required")
    needs = options.needs()
    facts = Facts("k", (32, 32), "", "add a cup", (SingleEdit("add a cup " * 60, "add", (0, 0, 9, 9)),), True, 0)
    assert needs.also is not None
    assert needs.also(facts) == "too_many_tokens"
    assert needs.also(facts._replace(parts=())) == ""
    assert needs.boxes == "required"
    model = options.build()
    with pytest.raises(DataError, match="tokens, the model takes"):
        options.batch(model, [example(text="add a cup " * 60)])


def test_other_weights_are_refused(weights: Path, clip: Path) -> None:
    with pytest.raises(ConfigError, match="is a StableDiffusionInpaintPipeline"):
        family(sd_inpaint(weights), clip).build()
