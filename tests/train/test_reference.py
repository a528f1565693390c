"""The family `reference`: pictures among the words, guided fusion, and from training to an edit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_pipelines
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from reference_trainings import (
    BLUE,
    RED,
    SIDE,
    apart,
    example,
    first_output,
    least_apart,
    textured,
    training,
    with_references,
)
from tiny_words import t5_tokenizer
from training_runs import Followed

from datagen.core.errors import ConfigError, DataError, SetupError
from datagen.core.fields import PLACEHOLDER
from datagen.imaging.image import Image
from datagen.train.config import TrainConfig
from datagen.train.editing import edit_picture, load_model
from datagen.train.gradients import Gradients
from datagen.train.loop import train
from datagen.train.models.reference.fusion import ReferenceFusion
from datagen.train.models.reference.net import ReferenceModel
from datagen.train.models.reference.options import ReferenceConfig
from datagen.train.models.reference.pipeline import NO_SLOT, ReferenceEditPipeline, row_of

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # of a scheduler of diffusers
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return with_references(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("weights")


def options(weights: Path, **more: Any) -> dict[str, Any]:
    part = {"weights": str(tiny_pipelines.pixart(weights))}
    return {
        "kind": "reference",
        "transformer": {"kind": "pretrained", **part},
        "vae": part,
        "language_model": part,
        "image_encoder": {"weights": str(tiny_pipelines.clip_vision(weights))},
        "qformer": {"queries": 4, "width": 16, "layers": 2, "heads": 2},
        "tokens": 160,
        "reference_side": 32,
        "sampling_steps": 2,
        **more,
    }


def family_of(weights: Path, **more: Any) -> ReferenceConfig:
    return ReferenceConfig.model_validate(options(weights, **more))


def awake(model: ReferenceModel) -> ReferenceModel:
    """With what begins as zero, or as next to nothing, drawn at random, as after some training."""
    torch.manual_seed(1)
    attention = model.text_encoder.encoder.block[0].layer[0].SelfAttention
    for weight in (model.fusion.mlp[-1].weight, model.transformer.pos_embed.proj.weight, attention.o.weight):
        torch.nn.init.normal_(weight, std=0.5)
    torch.nn.init.normal_(attention.relative_attention_bias.weight, std=5)  # else words have no order
    return model


@pytest.fixture(scope="module")
def pipe(weights: Path) -> ReferenceEditPipeline:
    torch.manual_seed(0)
    found = awake(family_of(weights).build()).pipe
    found.set_progress_bar_config(disable=True)
    return found


@settings(max_examples=50)
@given(st.lists(st.tuples(st.text("ab c", max_size=6), st.integers(0, 3)), max_size=4), st.integers(1, 5))
def test_each_placeholder_becomes_the_tokens_of_its_picture(parts: list[tuple[str, int]], queries: int) -> None:
    tokenizer = t5_tokenizer()
    row = row_of(
        tokenizer, "".join(text + PLACEHOLDER for text, _ in parts) + "end", [n for _, n in parts], queries=queries
    )
    placed = [slot for slot in row.slots if slot != NO_SLOT]
    assert placed == [number * queries + each for _, number in parts for each in range(queries)]
    words = [token for token, slot in zip(row.tokens, row.slots, strict=True) if slot == NO_SLOT]
    alone = [token for text in [*(text for text, _ in parts), "end"] for token in plain(tokenizer, text)]
    assert words == [*alone, tokenizer.eos_token_id]


def plain(tokenizer: Any, text: str) -> list[int]:
    found: list[int] = tokenizer(text.strip(), add_special_tokens=False)["input_ids"]
    return found


def test_the_fusion_is_the_papers_formula() -> None:
    """f_s + MLP(Attn(f_s, f_v)), written out head by head; and f_s alone before training."""
    torch.manual_seed(0)
    fusion = ReferenceFusion(queries=3, width=16, detail_width=12, text_width=16, heads=8)
    semantic, details = torch.randn(2, 3, 16), torch.randn(2, 5, 12)
    torch.nn.init.eye_(fusion.projection.weight)
    torch.nn.init.zeros_(fusion.projection.bias)
    torch.testing.assert_close(fusion(semantic, details), semantic)
    torch.nn.init.normal_(fusion.mlp[-1].weight)
    query, key, value = (
        fusion.norms[name](layer(rows))
        for name, layer, rows in (
            ("query", fusion.to_query, semantic), ("key", fusion.to_key, details), ("value", fusion.to_value, details)
        )
    )  # fmt: skip
    heads = []
    for head in range(8):
        part = slice(2 * head, 2 * head + 2)
        scores = query[..., part] @ key[..., part].transpose(1, 2) / 2**0.5
        heads.append(scores.softmax(dim=-1) @ value[..., part])
    wanted = semantic + fusion.mlp(fusion.norms["out"](torch.cat(heads, dim=-1)))
    torch.testing.assert_close(fusion(semantic, details), wanted)


def test_a_checkpoint_of_four_channels_begins_as_it_is(weights: Path) -> None:
    """The source's channels count for nothing before training."""
    model = family_of(weights).build()
    assert model.transformer.config.in_channels == 8
    noisy, source, states = torch.randn(1, 4, 8, 8), torch.randn(1, 4, 8, 8), torch.randn(1, 3, 32)
    times, mask = torch.tensor([500]), torch.ones(1, 3)
    one, other = (model.pipe.noise_in(noisy, each, times, states, mask) for each in (source, 0 * source))
    assert torch.equal(one, other)
    import diffusers

    before = diffusers.PixArtTransformer2DModel.from_pretrained(weights / "pixart" / "transformer")
    known = {"encoder_hidden_states": states, "encoder_attention_mask": mask, "timestep": times}
    torch.testing.assert_close(before(noisy, **known, added_cond_kwargs={}).sample[:, :4], one)


@pytest.mark.parametrize("frozen", [False, True])
def test_all_but_the_image_encoders_is_trained(data: list[str], weights: Path, tmp_path: Path, frozen: bool) -> None:
    model = options(weights, freeze=["language_model"] if frozen else [])
    gradients = Gradients(training(data, tmp_path, model))
    awake(gradients.model)
    examples = [
        example(textured(RED)),
        example(textured(BLUE), textured(RED), source=False),
        example(source=False, instruction="x"),
    ]
    gradients.add(examples, seed=5)
    parts = {name.split(".")[0] for name in gradients.trained()}
    assert parts == {"transformer", "qformer", "fusion", *([] if frozen else ["text_encoder"])}
    without = {name for name, weight in gradients.trained().items() if weight.grad is None or not weight.grad.any()}
    keys = {
        name for name in without if name.endswith(("key.bias", "k_proj.bias", "to_k.bias"))
    }  # a softmax ignores them
    assert without == keys


def test_the_loss_of_an_example_does_not_depend_on_its_neighbours(weights: Path) -> None:
    family = family_of(weights, drop=0)
    model = awake(family.build())
    examples = [
        example(textured(RED)),
        example(source=False, instruction="a cup"),
        example(textured(BLUE), textured(RED)),
    ]
    examples[1] = examples[1]._replace(inputs=())
    encoded = family.encode(model, family.batch(model, examples))
    source = encoded["source"].abs().flatten(1).sum(dim=1)
    assert (source > 0).tolist() == [True, False, True], "a blank canvas is zeros"
    for row, one in enumerate(examples):
        alone = family.encode(model, family.batch(model, [one]))
        rows, pictures = states_of(model, encoded), states_of(model, alone)
        length = int(alone["mask"].sum())
        torch.testing.assert_close(rows[row, :length], pictures[0, :length], atol=1e-4, rtol=1e-4)


def states_of(model: ReferenceModel, encoded: dict[str, torch.Tensor]) -> torch.Tensor:
    from datagen.train.models.reference.net import _picture_tokens

    return model.pipe.states(encoded, _picture_tokens(model.pipe, encoded))


def test_training_shows_the_language_model_what_an_edit_shows_it(weights: Path) -> None:
    family = family_of(weights, drop=0)
    model = awake(family.build())
    calls: list[torch.Tensor] = []
    hook = model.text_encoder.register_forward_pre_hook(
        lambda _, __, known: calls.append(known["inputs_embeds"]), with_kwargs=True
    )
    one = example(textured(RED), textured(BLUE))
    encoded = family.encode(model, family.batch(model, [one]))
    family.losses(model, encoded, torch.Generator().manual_seed(0))
    family.edit(model.pipe, one, seed=0)
    hook.remove()
    torch.testing.assert_close(calls[0][0], calls[1][2], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("chance", ["source", "words", "both"])
def test_source_and_words_are_left_out_for_guidance(
    weights: Path, chance: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    family = family_of(weights)
    model = awake(family.build())
    encoded = family.encode(model, family.batch(model, [example(textured(RED))]))
    seen: dict[str, torch.Tensor] = {}

    def noise_in(
        noisy: torch.Tensor, source: torch.Tensor, times: Any, states: Any, mask: torch.Tensor
    ) -> torch.Tensor:
        seen.update(source=source, mask=mask)
        return noisy

    monkeypatch.setattr(model.pipe, "noise_in", noise_in)
    drawn = {"source": 0.01, "words": 0.06, "both": 0.11}[chance]
    monkeypatch.setattr(torch, "rand", lambda *_, **__: torch.tensor([drawn]))
    family.losses(model, encoded, torch.Generator().manual_seed(0))
    assert bool(seen["source"].any()) == (chance == "words")
    assert (int(seen["mask"].sum()) == 1) == (chance != "source")


def test_edits_depend_on_the_pictures_and_on_which_placeholder_they_have(
    weights: Path, pipe: ReferenceEditPipeline
) -> None:
    family = family_of(weights)

    def edit(*references: np.ndarray, inputs: tuple[int, ...] = (), source: bool = True) -> torch.Tensor:
        one = example(*references, source=source)
        one = one._replace(inputs=inputs or one.inputs)
        return first_output(pipe.transformer, lambda: family.edit(pipe, one, seed=0))[2]

    red, blue = textured(RED), textured(BLUE)
    both, exchanged = edit(red, blue), edit(red, blue, inputs=(1, 0, -1))
    assert least_apart([edit(red), edit(blue), edit(red, source=False), both, exchanged]) > 5e-5
    assert apart(both, edit(blue, red, inputs=(1, 0, -1))) < 5e-6, "each placeholder has the same picture"


def test_guidance_of_one_is_the_full_prediction(weights: Path, pipe: ReferenceEditPipeline) -> None:
    """With both at 1 the predictions without source and words cancel out."""
    from PIL import Image as Pillow

    known = {"num_inference_steps": 2, "output_type": "latent"}
    picture = Pillow.fromarray(textured(RED))

    def drawn(guidance: float, source_guidance: float) -> np.ndarray:
        made = pipe(
            "make it blue", picture, guidance_scale=guidance, image_guidance_scale=source_guidance,
            generator=torch.Generator().manual_seed(0), **known,
        )  # fmt: skip
        return np.asarray(made.images)

    noise_in, seen = pipe.noise_in, []

    def full_alone(*arguments: Any) -> torch.Tensor:
        found = noise_in(*arguments)
        seen.append(found)
        return found[2:].expand(3, -1, -1, -1)

    plain = drawn(1, 1)
    assert not np.allclose(plain, drawn(3, 1))
    assert not np.allclose(plain, drawn(1, 3))
    pipe.noise_in = full_alone
    try:
        np.testing.assert_allclose(drawn(5, 3), plain, atol=1e-3)
    finally:
        del pipe.noise_in


def test_a_training_that_is_stopped_and_resumed_ends_with_the_same_weights(
    data: list[str], weights: Path, tmp_path: Path
) -> None:
    whole = train(training(data, tmp_path / "whole", options(weights)), watcher=Followed())
    broken = training(data, tmp_path / "broken", options(weights))
    with pytest.raises(KeyboardInterrupt):
        train(broken, watcher=Followed(stop_after=3))
    resumed = train(broken, watcher=Followed())
    for name in ("transformer", "fusion", "qformer", "text_encoder", "vae", "image_encoder"):
        one, other = (next((model / name).glob("*.safetensors")).read_bytes() for model in (whole, resumed))
        assert one == other, name
    stored = torch.load(tmp_path / "whole" / "checkpoints" / "step-00000004.pt", weights_only=True)["weights"]
    assert {name.split(".")[0] for name in stored} == {"transformer", "qformer", "fusion", "text_encoder"}
    index = json.loads((whole / "model_index.json").read_text())
    assert index["_class_name"] == "ReferenceEditPipeline"
    assert index["transformer"] == ["diffusers", "PixArtTransformer2DModel"]
    assert str(weights / "pixart") in (whole / "README.md").read_text()


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"transformer": {"kind": "new", "layers": 1, "heads": 2, "head_width": 8}},
        {"freeze": ["language_model"], "language_model": "bfloat16"},
    ],
)
def test_a_saved_model_edits_as_the_trained_one(
    data: list[str], weights: Path, tmp_path: Path, more: dict[str, Any]
) -> None:
    model = options(weights)
    if "language_model" in more:
        more = {**more, "language_model": {**model["language_model"], "precision": more["language_model"]}}
    precision = "bf16" if more.get("freeze") else "fp32"
    checkpointing = "transformer" in more
    config = training(
        data, tmp_path / "out", {**model, **more}, ema=0, precision=precision, gradient_checkpointing=checkpointing
    )
    folder = train(config, watcher=Followed())
    torch.manual_seed(0)
    gradients = Gradients(config)
    state = torch.load(tmp_path / "out" / "checkpoints" / "step-00000004.pt", weights_only=True)
    with torch.no_grad():
        for name, weight in gradients.trained().items():
            weight.copy_(state["weights"][name])
    gradients.model.eval()
    trained = load_model(str(folder), device=torch.device("cpu"))
    one = example(textured(RED), textured(BLUE, 30, 80))
    own = config.model.pipeline(gradients.model)
    for name in ("transformer", "qformer", "fusion", "text_encoder", "vae", "image_encoder"):
        saved, held = (getattr(each, name).state_dict() for each in (trained.pipeline, own))
        assert all(torch.equal(saved[key].float(), held[key].float()) for key in held), name
    edits = [trained.edit(one, seed=1), config.model.edit(own, one, seed=1)]
    np.testing.assert_allclose(*np.asarray(edits, np.int16), atol=1)  # convolutions round by where the memory lies
    edited = edit_picture(
        trained, picture(BLUE), [f"put {PLACEHOLDER} on {PLACEHOLDER}"], boxes=[], references=[picture(RED)], seed=0
    )
    assert edited.shape == (SIDE, SIDE, 3)
    with pytest.raises(ConfigError, match="0 <imagehere> and 1 references: write <imagehere> once for each"):
        edit_picture(trained, picture(BLUE), ["put it there"], boxes=[], references=[picture(RED)], seed=0)


def picture(color: tuple[int, int, int]) -> bytes:
    return Image.of(textured(color)).encoded()


def test_samples_that_the_model_cannot_take_are_counted(data: list[str], weights: Path, tmp_path: Path) -> None:
    followed = Followed()
    train(training(data, tmp_path / "a", options(weights, most_references=1), steps=1), watcher=followed)
    assert any("1 too_many_references" in text for text in followed.texts)
    followed = Followed()
    train(training(data, tmp_path / "b", options(weights, tokens=85), steps=1), watcher=followed)
    assert any("too_many_tokens" in text for text in followed.texts)
    with pytest.raises(ConfigError, match="too_many_tokens: its words and pictures have more tokens"):
        train(training(data, tmp_path / "c", options(weights, tokens=9), steps=1), watcher=Followed())


def test_too_much_for_an_edit_is_an_error_and_never_cut(weights: Path, pipe: ReferenceEditPipeline) -> None:
    family = family_of(weights)
    with pytest.raises(DataError, match="sample 'k' has 5 references; the model takes 4"):
        family.edit(pipe, example(*[textured(RED)] * 5), seed=0)
    with pytest.raises(DataError, match="sample 'k': the instruction has 201 tokens; the model takes 160"):
        family.edit(pipe, example(instruction="x" * 199)._replace(inputs=()), seed=0)
    with pytest.raises(DataError, match="0 <imagehere> for 2 pictures"):
        family.edit(pipe, example(textured(RED), instruction="x"), seed=0)
    with pytest.raises(ValueError, match="a placeholder stands for picture 1, of 1"):
        pipe(f"a {PLACEHOLDER}", references=[_pillow(RED)], inputs=[1])
    with pytest.raises(ValueError, match="multiples of 16"):
        pipe("a cup", width=70, height=64)


def _pillow(color: tuple[int, int, int]) -> Any:
    from PIL import Image as Pillow

    return Pillow.fromarray(textured(color))


def test_parts_that_do_not_fit_are_named(weights: Path, tmp_path: Path) -> None:
    def message(**more: Any) -> str:
        with pytest.raises((SetupError, ConfigError)) as caught:
            family_of(weights, **more).build()
        return str(caught.value)

    def pretrained(**how: Any) -> dict[str, Any]:
        return {"kind": "pretrained", "weights": str(tiny_pipelines.pixart(tmp_path, **how))}

    assert "takes 6 channels and gives 8; latents of model.vae have 4" in message(transformer=pretrained(channels=6))
    assert "also reads sizes, as PixArt at 1024 px" in message(transformer=pretrained(sizes=True))
    assert "lacks 39 weights of a PixArtTransformer2DModel, such as" in message(
        transformer={"kind": "pretrained", "weights": str(tiny_pipelines.klein_base(tmp_path))}
    )
    clip = {"weights": str(tiny_pipelines.clip_vision(weights))}
    assert "lacks" in message(language_model=clip) or "no model" in message(language_model=clip)
    assert "there are no weights at" in message(vae={"weights": str(tmp_path / "nowhere")})


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"qformer": {"width": 20, "heads": 2}}, "no multiple of heads"),
        ({"reference_side": 40}, "multiple of 16"),
        ({"freeze": ["vae"]}, "language_model"),
        ({"language_model": {"weights": "./t5", "precision": "bfloat16"}}, "wants float32; or freeze it"),
    ],
)
def test_wrong_options_are_named(weights: Path, more: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        TrainConfig.model_validate(
            {**training(["a"], Path("b"), options(weights)).model_dump(mode="json"), "model": options(weights, **more)}
        )
