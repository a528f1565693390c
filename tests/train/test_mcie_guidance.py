"""MCIE's attentions: what is in a box sees its sub-instruction, what is in none sees the source, as the options say."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import EulerAncestralDiscreteScheduler, StableDiffusionInstructPix2PixPipeline
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow
from tiny_pipelines import instruct_pix2pix
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from datagen.train.models.boxes import box_cells, cells_at_level
from datagen.train.models.latents import text_states, token_numbers
from datagen.train.models.mcie.guidance import MCIEGuidance, cross_attentions, fourier, strength_at
from datagen.train.models.mcie.pipeline import MCIEPipeline, picture_features, predicted

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # of diffusers, with numpy 2
]

WIDTH = 16
BOXES = [(0.0, 0.0, 0.5, 1.0), (0.75, 0.0, 1.0, 1.0)]


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = instruct_pix2pix(tmp_path_factory.mktemp("weights"))
    return StableDiffusionInstructPix2PixPipeline.from_pretrained(folder, safety_checker=None)


@pytest.fixture(scope="module")
def image_encoder() -> Any:
    torch.manual_seed(1)
    sizes = {"hidden_size": WIDTH, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    return CLIPVisionModelWithProjection(CLIPVisionConfig(**sizes, image_size=32, patch_size=16)).eval()


def guidance_of(stock: Any, **options: str) -> MCIEGuidance:
    torch.manual_seed(2)
    guidance = MCIEGuidance.of(stock.unet, image_width=WIDTH, **options).eval()
    guidance.attach(stock.unet)
    return guidance


def known_of(stock: Any, texts: list[str], *, there: list[float] | None = None) -> dict[str, torch.Tensor]:
    with torch.no_grad():
        text = text_states(stock.text_encoder, token_numbers(stock.tokenizer, texts))[None]
    generator = torch.Generator().manual_seed(3)
    number = len(texts) - 1
    return {
        "text": text,
        "boxes": torch.tensor([BOXES[:number]]),
        "there": torch.tensor([there or [1.0] * number]),
        "source": torch.randn(1, 4, 8, 8, generator=generator),
        "features": torch.randn(1, 5, WIDTH, generator=generator),
    }


def prediction(stock: Any, guidance: MCIEGuidance, known: dict[str, torch.Tensor], time: float = 500) -> torch.Tensor:
    noisy = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        return predicted(stock.unet, guidance, noisy, torch.tensor([time]), known)


@pytest.mark.parametrize("masking", ["one_softmax", "literal"])
@pytest.mark.parametrize("background", ["outside", "literal", "none"])
def test_before_training_and_without_boxes_it_predicts_what_the_unet_alone_does(
    stock: Any, masking: str, background: str
) -> None:
    known = known_of(stock, ["add a cup", "", ""], there=[0.0, 0.0])
    noisy = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(4))
    guidance = guidance_of(stock, masking=masking, background=background)
    with torch.no_grad():
        alone = stock.unet(
            torch.cat([noisy, known["source"]], 1), 500, encoder_hidden_states=known["text"][:, 0]
        ).sample
    torch.testing.assert_close(prediction(stock, guidance, known), alone, rtol=1e-4, atol=1e-5)


def attended(stock: Any, guidance: MCIEGuidance, text: torch.Tensor, time: float) -> torch.Tensor:
    """What the first cross-attention makes of an 8x8 map of 64 cells."""
    layer = stock.unet.get_submodule(cross_attentions(stock.unet)[0])
    boxes = torch.tensor([BOXES])
    place = guidance.place(boxes, torch.ones(1, 2), torch.tensor([time]), torch.ones(1, 3, WIDTH), size=(8, 8))
    hidden = torch.randn(1, 64, guidance.config.widths[0], generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        found = layer(hidden, encoder_hidden_states=guidance.contexts(text, boxes), place=place)
    return found.view(8, 8, -1)


@pytest.mark.parametrize("schedule", ["none", "early", "literal"])
def test_the_words_of_a_sub_instruction_reach_its_box_and_no_further_at_full_strength(
    stock: Any, schedule: str
) -> None:
    guidance = guidance_of(stock, schedule=schedule)
    one = known_of(stock, ["add a cup", "add a cup", "make it red"])["text"]
    two = known_of(stock, ["add a cup", "remove the dog", "make it red"])["text"]
    full = 0.0 if schedule == "literal" else 1.0
    change = (attended(stock, guidance, one, full) - attended(stock, guidance, two, full)).abs().amax(dim=-1)
    assert change[:, :4].min() > 20 * change[:, 4:].max(), "the left half is the box"
    if schedule != "none":
        weak = (attended(stock, guidance, one, 1 - full) - attended(stock, guidance, two, 1 - full)).abs().amax(dim=-1)
        assert weak[:, 4:].max() > 20 * change[:, 4:].max(), "a weaker bond lets words out of the box"


def test_the_source_reaches_what_lies_in_no_box(stock: Any) -> None:
    guidance = guidance_of(stock)
    known = known_of(stock, ["add a cup", "add a cup", "make it red"])
    with torch.no_grad():
        before = prediction(stock, guidance, known)
        assert torch.equal(before, prediction(stock, guidance, {**known, "features": -known["features"]}))
        guidance.foreground.fill_(0.5)
        boxes = torch.tensor([BOXES])
        layer = stock.unet.get_submodule(cross_attentions(stock.unet)[0])
        hidden = torch.randn(1, 64, guidance.config.widths[0])
        keys, found = guidance.contexts(known["text"], boxes), []
        for features in (known["features"], -known["features"]):
            place = guidance.place(boxes, torch.ones(1, 2), torch.ones(1), features, size=(8, 8))
            found.append(layer(hidden, encoder_hidden_states=keys, place=place).view(8, 8, -1))
    differs = (found[0] != found[1]).any(dim=-1)
    assert differs[:, 4:6].all()
    assert not differs[:, :4].any()
    assert not differs[:, 6:].any()


@pytest.mark.parametrize("schedule", ["none", "early", "literal"])
def test_literal_masking_is_the_formula_of_the_paper(stock: Any, schedule: str) -> None:
    guidance = guidance_of(stock, masking="literal", background="literal", schedule=schedule)
    with torch.no_grad():
        guidance.foreground.fill_(0.25)
    text = known_of(stock, ["add a cup", "add a cup", "make it red"])["text"]
    found = attended(stock, guidance, text, 0.5)
    layer = stock.unet.get_submodule(cross_attentions(stock.unet)[0])
    boxes = torch.tensor([BOXES])
    hidden = torch.randn(1, 64, guidance.config.widths[0], generator=torch.Generator().manual_seed(5))[0]
    strength = {"none": 1.0, "early": math.exp(-0.5), "literal": math.exp(-0.5)}[schedule]
    keys = guidance.contexts(text, boxes).detach().unflatten(1, (3, -1))[0]
    background = guidance.source(torch.ones(1, 3, WIDTH)).detach()[0]
    inside = [[float(x0 <= (cell % 8 + 0.5) / 8 < x1) for cell in range(64)] for x0, _, x1, _ in BOXES]
    masks, heads = torch.tensor(inside), layer.heads

    def attention(key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        parts = []
        for q, k, v in zip(layer.to_q(hidden).chunk(heads, 1), key.chunk(heads, 1), value.chunk(heads, 1), strict=True):
            parts.append(torch.softmax(q @ k.T * mask[:, None] / math.sqrt(q.shape[1]), dim=1) @ v)
        return torch.cat(parts, dim=1)

    with torch.no_grad():
        each = [attention(layer.to_k(keys[n + 1]), layer.to_v(keys[n + 1]), masks[n] * strength) for n in range(2)]
        foreground = (each[0] + each[1]) / 2
        seen = attention(
            guidance.background_keys[0](background), guidance.background_values[0](background), 1 - masks.amax(dim=0)
        )
        expected = layer.to_out[0](0.25 * foreground + 0.75 * seen)
    torch.testing.assert_close(found, expected.view(8, 8, -1), rtol=1e-4, atol=1e-5)


@settings(deadline=None)
@given(st.floats(0, 1))
def test_boxes_bind_strictly_while_the_layout_is_decided_and_the_letter_says_the_reverse(time: float) -> None:
    times = torch.tensor([time, 1.0, 0.0])
    early, literal, none = (strength_at(times, schedule) for schedule in ("early", "literal", "none"))
    assert early[1] == literal[2] == 1
    assert early[0] == pytest.approx(math.exp(-(1 - time)), rel=1e-5)
    assert literal[0] == pytest.approx(math.exp(-time), rel=1e-5)
    assert none.tolist() == [1, 1, 1]


def test_every_part_learns(stock: Any) -> None:
    guidance = guidance_of(stock)
    known = known_of(stock, ["add a cup", "add a cup", "make it red"])
    predicted(stock.unet, guidance, torch.randn(1, 4, 8, 8), torch.tensor([500.0]), known).square().mean().backward()
    without = [name for name, weight in guidance.named_parameters() if weight.grad is None]
    assert not without
    assert guidance.foreground.grad is not None
    assert (guidance.foreground.grad != 0).all(), "it starts at the end of its range and learns all the same"


def test_boxes_that_differ_by_little_are_told_apart() -> None:
    near = fourier(torch.tensor([[[0.1, 0.1, 0.3, 0.3], [0.1, 0.1, 0.305, 0.3]]]), 8)[0]
    assert near.shape == (2, 64)
    assert torch.cosine_similarity(near[0], near[1], dim=0) < 0.99


@settings(deadline=None)
@given(st.tuples(st.floats(0, 0.95), st.floats(0, 0.95), st.floats(0.01, 1), st.floats(0.01, 1)))
def test_a_box_covers_a_cell_at_every_level(edges: tuple[float, float, float, float]) -> None:
    x0, y0, across, down = edges
    cells = box_cells(torch.tensor([[[x0, y0, min(1.0, x0 + across), min(1.0, y0 + down)]]]), 12, 20)
    for number in (12 * 20, 6 * 10, 3 * 5, 2 * 3):
        level = cells_at_level(cells, number)
        assert level.shape[-2] * level.shape[-1] == number
        assert level.sum() >= 1


def test_a_saved_pipeline_edits_as_the_one_that_was_saved(stock: Any, image_encoder: Any, tmp_path: Path) -> None:
    parts = {name: getattr(stock, name) for name in ("vae", "text_encoder", "tokenizer", "unet")}
    scheduler = EulerAncestralDiscreteScheduler.from_config(stock.scheduler.config)
    pipeline = MCIEPipeline(**parts, image_encoder=image_encoder, guidance=guidance_of(stock), scheduler=scheduler)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.save_pretrained(tmp_path)
    again = MCIEPipeline.from_pretrained(tmp_path)
    again.set_progress_bar_config(disable=True)
    picture = Pillow.new("RGB", (64, 48), (90, 120, 30))
    call = {"sub_instructions": ["add a cup", "make it red"], "boxes": [(0, 0, 20, 20), (30, 30, 60, 48)]}
    edits = [each(picture, "add a cup and make it red", num_inference_steps=2, **call) for each in (pipeline, again)]
    assert edits[0].tobytes() == edits[1].tobytes()
    assert edits[0].size == (64, 48)
    call["boxes"] = call["boxes"][::-1]
    assert again(picture, "add a cup and make it red", num_inference_steps=2, **call).tobytes() != edits[0].tobytes()
    with pytest.raises(ValueError, match="2 sub-instructions have 1 boxes"):
        pipeline(picture, "x", sub_instructions=["a", "b"], boxes=[(0, 0, 9, 9)])


def test_a_picture_is_seen_whole(image_encoder: Any) -> None:
    picture = torch.zeros(1, 3, 32, 96)
    changed = picture.clone()
    changed[..., :8] = 1  # cut to a square, its left edge would not be seen
    with torch.no_grad():
        assert not torch.equal(picture_features(image_encoder, picture), picture_features(image_encoder, changed))


def test_a_guidance_for_another_unet_is_refused(stock: Any) -> None:
    guidance = MCIEGuidance(widths=[16, 32], text_width=32, image_width=WIDTH)
    with pytest.raises(ValueError, match="cross-attentions are"):
        guidance.attach(stock.unet)
