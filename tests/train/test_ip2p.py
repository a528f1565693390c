"""InstructPix2Pix with tiny weights in the real format: its mathematics, trainings, what it saves, and bad weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands import call
from diffusers import StableDiffusionInstructPix2PixPipeline, StableDiffusionPipeline
from finished import finished
from PIL import Image as Pillow
from safetensors.torch import load_file, save_file
from tiny_pipelines import instruct_pix2pix, sd_inpaint, sdxl_inpaint, text_to_image
from torch import nn
from training_runs import Followed, ip2p_family, ip2p_training, same, steps_in

from datagen.core.errors import ConfigError, DataError, SetupError
from datagen.shards.reader import open_dataset
from datagen.train.config import load_training
from datagen.train.data.examples import TrainingExample
from datagen.train.data.selection import select
from datagen.train.editing import load_model
from datagen.train.loop import train
from datagen.train.models.ip2p import Ip2pConfig
from datagen.train.trial import try_out

pytestmark = pytest.mark.torch
CONFIG = Path("configs/train/ip2p.yaml")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("weights")


@pytest.fixture(scope="module")
def edits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.mktemp("edits") / "out")


def example(text: str = "make it red", *, instruction: str = "", seed: int = 0) -> TrainingExample:
    rng = np.random.default_rng(seed)
    source, target = rng.integers(0, 256, (2, 32, 40, 3), np.uint8)
    return TrainingExample("k", source, target, (), instruction or text, text, (), False)


class Recorder(nn.Module):
    """Stands in for the U-Net: notes what it is given, and predicts nothing."""

    def forward(self, cells: torch.Tensor, steps: torch.Tensor, encoder_hidden_states: torch.Tensor) -> Any:
        self.cells, self.steps, self.text = cells, steps, encoder_hidden_states
        return type("Output", (), {"sample": torch.zeros_like(cells[:, :4])})


def recorded(config: Ip2pConfig, number: int, *, seed: int = 0) -> tuple[Any, dict[str, torch.Tensor], torch.Tensor]:
    model: Any = config.build()
    model.unet = Recorder()
    torch.manual_seed(seed)
    means = torch.randn(number, 4, 2, 2)
    encoded = {
        "moments": torch.cat([means, torch.full_like(means, -30)], dim=1),  # so sure that what is drawn is the mean
        "source": torch.randn(number, 4, 2, 2),
        "text": torch.randn(number, *model.no_text.shape[1:]),
    }
    losses, times = config.losses(model, encoded, torch.Generator().manual_seed(seed))
    torch.testing.assert_close(times, (model.unet.steps + 1) / 1000)
    return model, encoded, losses


def test_at_the_start_it_predicts_what_the_text_to_image_model_does(folder: Path) -> None:
    plain = StableDiffusionPipeline.from_pretrained(text_to_image(folder)).unet
    wide = ip2p_family(folder).build().unet
    noisy, source, text = torch.randn(2, 4, 4, 5), torch.randn(2, 4, 4, 5), torch.randn(2, 77, 32)
    steps = torch.tensor([3, 700])
    assert wide.config.in_channels == 8
    torch.testing.assert_close(
        wide(torch.cat([noisy, source], dim=1), steps, text).sample, plain(noisy, steps, text).sample
    )


def test_an_instruct_pix2pix_keeps_its_channels(folder: Path) -> None:
    place = instruct_pix2pix(folder)
    stored = load_file(place / "unet" / "diffusion_pytorch_model.safetensors")
    built = ip2p_family(folder, weights=str(place)).build().unet.state_dict()
    assert same(stored, dict(built))
    assert built["conv_in.weight"][:, 4:].any()


def test_what_is_dropped_is_dropped_as_often_as_published(folder: Path) -> None:
    number = 4000
    model, encoded, _ = recorded(ip2p_family(folder, drop_text=0.05, drop_image=0.1, drop_both=0.2), number)
    without_text = (model.unet.text == model.no_text).flatten(1).all(dim=1)
    without_source = ~model.unet.cells[:, 4:].flatten(1).any(dim=1)
    counts = [
        int((without_text & ~without_source).sum()),
        int((~without_text & without_source).sum()),
        int((without_text & without_source).sum()),
    ]
    assert counts == pytest.approx([0.05 * number, 0.1 * number, 0.2 * number], abs=4 * (number * 0.2 * 0.8) ** 0.5)
    assert torch.equal(model.unet.text[~without_text], encoded["text"][~without_text])
    assert torch.equal(model.unet.cells[~without_source, 4:], encoded["source"][~without_source])
    fields = Ip2pConfig.model_fields
    assert [fields[name].default for name in ("drop_text", "drop_image", "drop_both")] == [0.05] * 3


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_the_loss_is_that_of_the_schedulers_prediction(folder: Path, tmp_path: Path, prediction: str) -> None:
    place = tmp_path / "weights"
    shutil.copytree(text_to_image(folder), place)
    rewrite(place / "scheduler" / "scheduler_config.json", prediction_type=prediction)
    model, encoded, losses = recorded(ip2p_family(folder, weights=str(place)), 6)
    clean = encoded["moments"][:, :4] * model.vae.config.scaling_factor
    share = model.noising.alphas_cumprod[model.unet.steps].view(-1, 1, 1, 1)
    noise = (model.unet.cells[:, :4] - share.sqrt() * clean) / (1 - share).sqrt()
    goal = noise if prediction == "epsilon" else share.sqrt() * noise - (1 - share).sqrt() * clean
    torch.testing.assert_close(losses, goal.square().mean(dim=(1, 2, 3)), rtol=1e-3, atol=1e-4)


def test_the_source_is_the_mode_and_the_target_is_drawn(folder: Path) -> None:
    config = ip2p_family(folder)
    model: Any = config.build()
    batch = config.batch(model, [example(seed=1), example("make it blue", seed=2)])
    encoded = config.encode(model, batch)
    torch.testing.assert_close(encoded["source"], model.vae.encode(batch["source"]).latent_dist.mode())
    torch.testing.assert_close(encoded["moments"], model.vae.encode(batch["target"]).latent_dist.parameters)
    mean, spread = encoded["moments"].chunk(2, dim=1)
    drawn = [model.sampled(encoded["moments"], torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert torch.equal(drawn[0], drawn[1])
    noise = torch.randn(mean.shape, generator=torch.Generator().manual_seed(0))
    scale = model.vae.config.scaling_factor
    torch.testing.assert_close(drawn[0], (mean + (spread / 2).exp() * noise) * scale)
    assert not torch.equal(drawn[0], drawn[2])


def test_the_pipeline_and_the_trainer_encode_words_alike(folder: Path) -> None:
    config = ip2p_family(folder)
    model: Any = config.build()
    states = config.encode(model, config.batch(model, [example("add a cup")]))["text"]
    theirs, nothing = StableDiffusionPipeline.from_pretrained(text_to_image(folder)).encode_prompt(
        "add a cup", "cpu", 1, True
    )
    torch.testing.assert_close(states, theirs)
    torch.testing.assert_close(model.no_text, nothing)


@pytest.mark.parametrize(("words", "read"), [("text", "the text"), ("instruction", "the <imagehere>")])
def test_the_words_are_those_of_the_option(folder: Path, words: Any, read: str) -> None:
    config = ip2p_family(folder, words=words)
    model: Any = config.build()
    one = example("the text", instruction="the <imagehere>")
    assert torch.equal(config.batch(model, [one])["tokens"], model.tokens([read]))
    lacking = one._replace(**{words: ""})
    assert not torch.equal(config.batch(model, [lacking])["tokens"], model.tokens([""]))


def test_it_trains_resumes_to_the_bit_and_saves_a_stock_pipeline(edits: Path, folder: Path, tmp_path: Path) -> None:
    whole = train(ip2p_training(edits, tmp_path / "whole", folder), watcher=Followed())
    config = ip2p_training(edits, tmp_path / "broken", folder)
    with pytest.raises(KeyboardInterrupt):
        train(config, watcher=Followed(stop_after=3))
    resumed = train(config, watcher=Followed())
    assert steps_in(tmp_path / "broken") == steps_in(tmp_path / "whole")
    first = StableDiffusionInstructPix2PixPipeline.from_pretrained(whole)
    second = StableDiffusionInstructPix2PixPipeline.from_pretrained(resumed)
    before = StableDiffusionPipeline.from_pretrained(text_to_image(folder))
    assert json.loads((whole / "model_index.json").read_text())["_class_name"] == type(first).__name__
    assert same(dict(first.unet.state_dict()), dict(second.unet.state_dict()))
    assert first.unet.conv_in.weight[:, 4:].any()  # it has learnt to look at the source
    for part in ("vae", "text_encoder"):
        assert same(dict(getattr(first, part).state_dict()), dict(getattr(before, part).state_dict()))
    stored = torch.load(tmp_path / "whole" / "checkpoints" / "step-00000004.pt", weights_only=True)
    assert {name.split(".")[0] for name in stored["weights"]} == {"unet"}


def test_the_model_has_the_running_mean_of_the_weights(edits: Path, folder: Path, tmp_path: Path) -> None:
    place = train(ip2p_training(edits, tmp_path / "out", folder), watcher=Followed())
    saved = StableDiffusionInstructPix2PixPipeline.from_pretrained(place).unet
    stored = torch.load(tmp_path / "out" / "checkpoints" / "step-00000004.pt", weights_only=True)
    means = dict(zip(stored["weights"], stored["mean"]["shadow_params"], strict=True))
    for name, value in saved.named_parameters():
        torch.testing.assert_close(value, means[f"unet.{name}"])
    assert not torch.equal(saved.conv_in.weight, stored["weights"]["unet.conv_in.weight"])


def test_a_trained_model_edits(edits: Path, folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    place = train(ip2p_training(edits, tmp_path / "out", folder), watcher=Followed())
    trained = load_model(str(place), device=torch.device("cpu"))
    one, again, other = (trained.edit(example(), seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert one.shape == (32, 40, 3)
    assert (one != other).any()
    with pytest.raises(DataError, match=r"has 102 tokens, the model takes 77; shorten it"):
        trained.edit(example("x" * 100))
    Pillow.new("RGB", (90, 60), (10, 20, 30)).save(tmp_path / "picture.png")
    done = call("edit", place, tmp_path / "picture.png", "make it red", "--to", tmp_path / "new.png", capfd=capfd)
    assert "new.png: 48x32" in done.out


def test_the_options_of_an_edit_reach_the_pipeline(folder: Path) -> None:
    plain = ip2p_family(folder, weights=str(instruct_pix2pix(folder)))
    pipeline = plain.pipeline(plain.build())
    pipeline.set_progress_bar_config(disable=True)
    edits = [
        ip2p_family(folder, **options).edit(pipeline, example(), seed=0)
        for options in ({}, {"guidance_scale": 2}, {"image_guidance_scale": 3}, {"sampling_steps": 5})
    ]
    assert all((edits[0] != other).any() for other in edits[1:])
    [stock] = pipeline(
        "make it red", image=Pillow.fromarray(example().source), num_inference_steps=2,
        guidance_scale=7.5, image_guidance_scale=1.5, generator=torch.Generator().manual_seed(0),
    ).images  # fmt: skip
    np.testing.assert_array_equal(edits[0], np.asarray(stock))


def test_samples_with_too_many_tokens_are_counted_before_the_first_step(edits: Path, folder: Path) -> None:
    place = text_to_image(folder)
    short = place.parent / "short"
    shutil.copytree(place, short, dirs_exist_ok=True)
    rewrite(short / "tokenizer" / "tokenizer_config.json", model_max_length=30)
    dataset = open_dataset(str(edits))
    chosen = select(dataset, ip2p_family(folder, weights=str(short)).needs(), sizes=[(32, 32)])
    long = [sample.key for sample in dataset if len(sample.info["text"].replace(" ", "")) + 2 > 30]
    assert 0 < len(long) < len(dataset)
    assert chosen.left_out == {"too_many_tokens": len(long)}
    assert not {facts.key for facts in chosen.facts} & {*long}


def rewrite(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def copied(place: Path, to: Path, name: str, **values: Any) -> str:
    shutil.copytree(place, to, dirs_exist_ok=True)
    rewrite(to / name, **values)
    return str(to)


def without_a_weight(place: Path, to: Path, part: str, file: str) -> str:
    shutil.copytree(place, to)
    weights = load_file(to / part / file)
    weights.pop(sorted(weights)[0])
    save_file(weights, to / part / file, metadata={"format": "pt"})
    return str(to)


def test_weights_of_another_model_are_named(folder: Path, tmp_path: Path) -> None:
    plain = text_to_image(folder)
    wrong = {
        str(sd_inpaint(folder)): "is a StableDiffusionInpaintPipeline, which kind 'ip2p' cannot be trained from",
        str(sdxl_inpaint(folder)): "is a StableDiffusionXLInpaintPipeline",
        copied(plain, tmp_path / "a", "unet/config.json", in_channels=9): "has 9 input channels, 4 or 8 are wanted",
        copied(plain, tmp_path / "b", "vae/config.json", latent_channels=16): "makes 16 channels of 8 x 8 pixels",
        copied(plain, tmp_path / "c", "scheduler/scheduler_config.json", prediction_type="sample"): "predicts 'sample'",
    }
    for weights, message in wrong.items():
        with pytest.raises(ConfigError, match=message):
            ip2p_family(folder, weights=weights).build()


def test_missing_weights_are_refused(folder: Path, tmp_path: Path) -> None:
    plain = text_to_image(folder)
    (tmp_path / "empty").mkdir()
    wrong = {
        without_a_weight(plain, tmp_path / "a", "unet", "diffusion_pytorch_model.safetensors"): "of its unet",
        without_a_weight(plain, tmp_path / "b", "text_encoder", "model.safetensors"): "of its text_encoder",
        str(tmp_path / "empty"): "has no model_index.json",
        str(tmp_path / "nowhere"): "there are no weights at",
    }
    for weights, message in wrong.items():
        with pytest.raises(SetupError, match=message):
            ip2p_family(folder, weights=weights).build()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": "sd"}, "is neither a repository"),
        ({"weights": "./sd", "drop_text": 0.5, "drop_both": 0.6}, "more than 1 together"),
        ({}, "weights"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Ip2pConfig.model_validate(options)


def test_the_config_of_the_repository_trains_on_a_folder_of_weights(edits: Path, folder: Path, tmp_path: Path) -> None:
    sets = [
        f"model.weights={text_to_image(folder)}",
        f"data.datasets=[{{path: {edits}, split: null}}]",
        "data.sizes=[[32, 32]]",
        "batch_size=2",
        "micro_batch=1",
        "precision=fp32",
    ]
    config = load_training(CONFIG, sets=sets, out=str(tmp_path / "out"))
    trial = try_out(config)
    assert trial.fits
    assert 0 < trial.trained < trial.parameters
    assert load_training(CONFIG).model.weights == "timbrooks/instruct-pix2pix"
