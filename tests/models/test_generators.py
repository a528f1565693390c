"""Pipelines of diffusers as inpainters, editors and text-to-image models: real classes over tiny weights."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pydantic
import pytest
import tiny_pipelines as tiny
import tiny_scorers
import torch
from building import ledger_rows, run_local, toy_config
from commands import refused
from pictures import disc, photograph
from PIL import Image as Pillow
from safetensors.torch import load_file, save_file

from datagen import DataError, Failed, Record, Reject, SetupError
from datagen.execute.maintain.verify import verify
from datagen.imaging.geometry import resize
from datagen.imaging.image import Image
from datagen.models.diffusion.pipeline import ImageRequest
from datagen.models.editors.diffusion import DiffusersEditorConfig
from datagen.models.generators.diffusion import DiffusersTextToImageConfig
from datagen.models.inpainters.diffusion import DiffusersInpainterConfig
from datagen.pipeline.config import load
from datagen.pipeline.graph import build
from datagen.shards.reader import open_dataset
from stages.edit_image import EditImage
from stages.generate_image import GenerateImage
from stages.remove_subject import RemoveSubject

pytestmark = pytest.mark.torch

STEPS = {"num_inference_steps": 2}
SHORT = {"max_sequence_length": 32}
KLEIN = {**STEPS, **SHORT, "text_encoder_out_layers": [1, 2]}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "instruct_pix2pix": STEPS,
    "sd_inpaint": STEPS,
    "sdxl_inpaint": {**STEPS, "strength": 1.0},
    "flux_fill": {**STEPS, **SHORT},
    "flux_kontext": {**STEPS, **SHORT},
    "klein_edit": KLEIN,
    "klein_inpaint": {**KLEIN, "strength": 1.0},
    "qwen_inpaint": {**STEPS, "negative_prompt": " "},
}
EDITORS = ("instruct_pix2pix", "flux_kontext", "klein_edit")
INPAINTERS = ("sd_inpaint", "sdxl_inpaint", "flux_fill", "klein_inpaint")
SIDE = 64
PICTURE = resize(photograph("astronaut.png").array, (SIDE + 16, SIDE))
HOLE = disc(SIDE, SIDE + 16, x=40, y=30, radius=12)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pipelines")


def options(name: str, folder: Path, **more: Any) -> dict[str, Any]:
    return {"weights": str(getattr(tiny, name)(folder)), "arguments": ARGUMENTS.get(name, STEPS), **more}


def loaded(name: str, folder: Path, **more: Any) -> Any:
    config = DiffusersInpainterConfig if "inpaint" in name or "fill" in name else DiffusersEditorConfig
    own = {"pixels": None} if config is DiffusersEditorConfig else {}
    return config(**{**own, **options(name, folder, **more)}).load("cpu")


def make(model: Any, *, seed: int, image: Any = PICTURE, hole: Any = HOLE) -> Any:
    if hasattr(model, "prompt"):
        return model([image], [hole], seeds=[seed])[0]
    return model([image], ["make it red"], seeds=[seed])[0]


def shown(model: Any, **given: Any) -> Any:
    """What reached the network that encodes pictures, the first time; HWC, 0 to 255."""
    seen: list[Any] = []
    vae = model.pipeline.pipe.vae
    hook = vae.encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach().clone()))
    make(model, seed=1, **given)
    hook.remove()
    return (seen[0][0].permute(1, 2, 0).numpy() + 1) * 127.5


@pytest.mark.parametrize("name", [*EDITORS, *INPAINTERS])
def test_a_picture_is_drawn_from_its_seed_and_shown_to_the_model_as_it_is(name: str, folder: Path) -> None:
    model = loaded(name, folder)
    first, again, other = (make(model, seed=seed) for seed in (7, 7, 8))
    assert first.shape == PICTURE.shape
    assert first.dtype == np.uint8
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    seen = shown(model)
    assert seen.shape == PICTURE.shape
    outside = np.ones_like(HOLE) if name in EDITORS else ~HOLE
    assert np.abs(seen - PICTURE)[outside].max() < 0.01, "RGB, from -1 to 1, no pixel moved"


@pytest.mark.parametrize("name", ["instruct_pix2pix", "sd_inpaint"])
def test_it_is_what_the_pipeline_makes_when_it_is_called_by_hand(name: str, folder: Path) -> None:
    place = getattr(tiny, name)(folder)
    pipe = diffusers.DiffusionPipeline.from_pretrained(place)
    pipe.set_progress_bar_config(disable=True)
    given = {"image": Pillow.fromarray(PICTURE), **ARGUMENTS[name]}
    if name == "sd_inpaint":
        given |= {"prompt": "grass", "mask_image": Pillow.fromarray(HOLE), "height": SIDE, "width": SIDE + 16}
        model = loaded(name, folder, prompt="grass")
    else:
        given |= {"prompt": "make it red"}
        model = loaded(name, folder)
    by_hand = pipe(**given, generator=torch.Generator("cpu").manual_seed(3)).images[0]
    assert np.array_equal(make(model, seed=3), np.asarray(by_hand))


def test_qwen_paints_at_a_size_of_its_own_and_the_picture_comes_back_at_its_own(folder: Path) -> None:
    painted = make(loaded("qwen_inpaint", folder), seed=1)
    assert painted.shape == PICTURE.shape
    assert painted.std() > 1


@pytest.mark.parametrize("name", ["sd_inpaint", "flux_fill"])
def test_an_inpainter_mirrors_sides_to_multiples_and_moves_no_pixel(name: str, folder: Path) -> None:
    image, hole = PICTURE[:50, :71], HOLE[:50, :71]
    model = loaded(name, folder)
    assert make(model, seed=1, image=image, hole=hole).shape == image.shape
    seen = shown(model, image=image, hole=hole)
    assert seen.shape == (64, 80, 3)
    assert np.abs(seen[:50, :71] - image)[~hole].max() < 0.01
    assert np.abs(seen[50:57, :20] - image[43:50, :20][::-1]).max() < 0.01


@pytest.mark.parametrize("name", EDITORS)
def test_an_editor_works_at_its_size_and_gives_back_the_source_s(name: str, folder: Path) -> None:
    model = loaded(name, folder, pixels=96 * 96)
    image = PICTURE[:50, :71]
    assert make(model, seed=1, image=image).shape == image.shape
    assert shown(model, image=image).shape == (80, 112, 3)


@pytest.mark.parametrize("name", ["instruct_pix2pix", "flux_kontext"])
def test_a_batch_of_two_sizes_gives_what_each_gives_alone(name: str, folder: Path) -> None:
    model = loaded(name, folder, batch_size=3)
    images = [PICTURE, PICTURE[:48, :64], PICTURE[::-1].copy(), PICTURE]
    instructions = ["make it red", "blue", "a very long thing to ask for", "make it red"]
    together = model(images, instructions, seeds=[1, 2, 3, 4])
    for number, made in enumerate(together):
        [alone] = model([images[number]], [instructions[number]], seeds=[number + 1])
        assert np.abs(made.astype(int) - alone).max() <= 1, "but for the order of sums"


@pytest.mark.parametrize("name", ["instruct_pix2pix", "sd_inpaint", "sdxl_inpaint"])
def test_a_negative_prompt_is_one_for_each_of_a_batch(name: str, folder: Path) -> None:
    arguments = {**ARGUMENTS[name], "guidance_scale": 7.5}
    plain = loaded(name, folder, arguments=arguments)
    model = loaded(name, folder, batch_size=2, arguments={**arguments, "negative_prompt": "a blurry picture"})
    given = [HOLE] * 2 if hasattr(model, "prompt") else ["make it red"] * 2
    together = model([PICTURE] * 2, given, seeds=[1, 2])
    assert model.pipeline.batches.size == 2
    for seed, made in zip((1, 2), together, strict=True):
        assert np.abs(made.astype(int) - make(model, seed=seed)).max() <= 1, "but for the order of sums"
    assert not np.array_equal(together[0], make(plain, seed=1))


def test_a_batch_that_does_not_fit_is_halved(folder: Path) -> None:
    model = loaded("instruct_pix2pix", folder, batch_size=4)
    pipe, sizes = model.pipeline.pipe, []

    class Small:
        def __call__(self, *, prompt: Any, **given: Any) -> Any:
            sizes.append(len(prompt) if isinstance(prompt, list) else 1)
            if sizes[-1] > 2:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
            return pipe(prompt=prompt, **given)

    model.pipeline.pipe = Small()
    assert len(model([PICTURE] * 5, ["a"] * 5, seeds=list(range(5)))) == 5
    assert sizes == [4, 2, 2, 1]


def test_half_precision_is_what_the_weights_are_loaded_in(folder: Path) -> None:
    model = loaded("sd_inpaint", folder, precision="bfloat16")
    assert {model.pipeline.pipe.unet.dtype, model.pipeline.pipe.vae.dtype} == {torch.bfloat16}
    assert make(model, seed=1).shape == PICTURE.shape


def test_text_to_image_makes_what_it_is_asked_for(folder: Path) -> None:
    model = DiffusersTextToImageConfig(**options("text_to_image", folder, width=96, height=64, batch_size=2)).load(
        "cpu"
    )
    made = model(["a cat", "a dog", "a cat"], seeds=[1, 1, 1])
    assert {one.shape for one in made} == {(64, 96, 3)}
    assert np.abs(made[0].astype(int) - made[2]).max() <= 1
    assert not np.array_equal(made[0], made[1])


def test_nothing_is_drawn_on_the_terminal(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    place = tiny.instruct_pix2pix(folder)
    capfd.readouterr()
    make(DiffusersEditorConfig(weights=str(place), arguments=STEPS, pixels=None).load("cpu"), seed=1)
    assert "%|" not in "".join(capfd.readouterr())


# Stages


def removed(folder: Path, **inpainter: Any) -> Any:
    config = {"inpainter": {"kind": "diffusers", **options("sd_inpaint", folder), **inpainter}, "dilate_px": 0}
    stage = RemoveSubject(RemoveSubject.Config.model_validate(config), seed=5)
    stage.setup("cpu")
    return stage


def test_only_the_hole_is_painted_and_each_record_by_a_seed_of_its_own(folder: Path) -> None:
    stage = removed(folder)
    records = [Record(id, {"image": Image.of(PICTURE), "mask": HOLE}) for id in "ab"]
    one, other = stage.process(records)
    assert np.array_equal(one["source"].array[~HOLE], PICTURE[~HOLE])
    assert not np.array_equal(one["source"].array[HOLE], other["source"].array[HOLE])
    assert stage.process(records[1:])[0]["source"] == other["source"]


def test_what_the_safety_checker_objects_to_fails_as_a_removal(folder: Path) -> None:
    stage = removed(folder, weights=str(tiny.prudish_inpaint(folder)))
    with pytest.raises(DataError, match=r"safety checker objects .* `safety_checker: leave_out` does without"):
        stage.process([Record("a", {"image": Image.of(PICTURE), "mask": HOLE})])


def generated(folder: Path, **generator: Any) -> Any:
    config = options("prudish_text_to_image", folder, width=64, height=64, **generator)
    stage = GenerateImage(GenerateImage.Config.model_validate({"generator": config}))
    stage.setup("cpu")
    return stage.process([Record("a", {"caption": "a cat"}), Record("b", {"caption": " "})])


def test_what_the_safety_checker_objects_to_is_rejected_as_a_picture(folder: Path) -> None:
    unsafe, empty = generated(folder)
    assert isinstance(unsafe, Reject)
    assert unsafe.reason == "unsafe"
    assert empty == Failed("the caption is empty")


def test_without_the_safety_checker_the_picture_is_kept(folder: Path) -> None:
    remaining, _ = generated(folder, safety_checker="leave_out")
    assert remaining["image"].array.std() > 1


def test_an_instruction_that_no_editor_understands_fails_alone(folder: Path) -> None:
    stage = EditImage(
        EditImage.Config.model_validate(
            {"editor": {"kind": "diffusers", **options("instruct_pix2pix", folder, pixels=4096)}}
        )
    )
    stage.setup("cpu")
    lines = ["make it red", "add <imagehere> to it", "  "]
    records = [Record(str(n), {"source": Image.of(PICTURE), "instruction": text}) for n, text in enumerate(lines)]
    edited, placeholder, empty = stage.process(records)
    assert edited["target"].size == (SIDE + 16, SIDE)
    assert "`map: {instruction: text}`" in placeholder.error
    assert empty.error == "the instruction is empty"


# What is wrong is told before anything is generated


@pytest.mark.parametrize(
    ("config", "given", "message"),
    [
        (DiffusersEditorConfig, {"pipeline": "FluxKontextPipline"}, "has no 'FluxKontextPipline'; did you mean 'FluxKontextPipeline'?"),
        (DiffusersEditorConfig, {"pipeline": "FluxFillPipeline"}, "FluxFillPipeline wants a `mask_image`: it is made for something else; name one such as FluxKontextPipeline"),
        (DiffusersEditorConfig, {"pipeline": "FluxPipeline"}, "FluxPipeline takes no `image`"),
        (DiffusersInpainterConfig, {"pipeline": "FluxKontextPipeline"}, "FluxKontextPipeline takes no `mask_image`"),
        (DiffusersTextToImageConfig, {"pipeline": "StableDiffusionUpscalePipeline"}, "takes no `width`"),
        (DiffusersEditorConfig, {"pipeline": "FluxKontextPipeline", "arguments": {"guidance": 2.5}}, "takes no `guidance`; did you mean 'guidance_scale'?"),
        (DiffusersEditorConfig, {"arguments": {"prompt": "a"}}, "`prompt` is filled in from the record"),
        (DiffusersEditorConfig, {"arguments": {"output_type": "pt"}}, "only one value of `output_type` suits"),
        (DiffusersEditorConfig, {"pipeline": "Flux2KleinPipeline", "batch_size": 2}, "Flux2KleinPipeline is not known to take several pictures"),
        (DiffusersTextToImageConfig, {"width": 1000}, "it is no multiple of 16 (`multiple`): take 992"),
    ],
)  # fmt: skip
def test_a_config_that_no_pipeline_can_be_called_by_is_refused(config: Any, given: Any, message: str) -> None:
    with pytest.raises(pydantic.ValidationError) as found:
        config(weights="owner/name", **given)
    assert message in str(found.value)


def test_check_tells_a_wrong_argument_with_its_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    editor = {
        "kind": "diffusers",
        "weights": "owner/name",
        "pipeline": "FluxKontextPipeline",
        "arguments": {"num_inference_step": 28},
    }
    config = toy_config(tmp_path, [{"use": "edit_image", "with": {"editor": editor}}])
    message = refused("check", config, capfd=capfd)
    assert "toy.yaml:" in message
    assert "takes no `num_inference_step`; did you mean 'num_inference_steps'?" in message


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"arguments": {"guidance": 2.5}}, "StableDiffusionInstructPix2PixPipeline takes no `guidance`; did you mean 'guidance_scale'?"),
        ({"batch_size": 2, "pipeline": "StableDiffusionImg2ImgPipeline"}, "is not known to take several pictures"),
        ({"offload": "model"}, "`offload: model` brings weights to a GPU, but the stage has none"),
    ],
)  # fmt: skip
def test_what_the_weights_pipeline_cannot_do_is_told_as_it_is_loaded(folder: Path, given: Any, message: str) -> None:
    with pytest.raises((SetupError, pydantic.ValidationError)) as found:
        loaded("instruct_pix2pix", folder, **given)
    assert message in str(found.value)


def broken(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny.instruct_pix2pix(folder), tmp_path / "broken"))


def refusal(place: Path) -> str:
    with pytest.raises(SetupError) as found:
        DiffusersEditorConfig(weights=str(place)).load("cpu")
    return str(found.value)


def test_a_folder_that_is_no_pipeline_is_told(folder: Path, tmp_path: Path) -> None:
    place = broken(folder, tmp_path)
    assert "is one file, so it is no pipeline of diffusers" in refusal(place / "model_index.json")
    assert "has no model_index.json" in refusal(place / "unet")


def test_damaged_weights_are_told(folder: Path, tmp_path: Path) -> None:
    place = broken(folder, tmp_path)
    weights = place / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    assert f"{place} holds no StableDiffusionInstructPix2PixPipeline that kind 'diffusers' can read" in refusal(place)
    weights.unlink()
    assert "holds no StableDiffusionInstructPix2PixPipeline" in refusal(place)
    (place / "model_index.json").write_text("{")
    assert "model_index.json is damaged" in refusal(place)


@pytest.mark.parametrize("name", ["unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model", "text_encoder/model"])
def test_weights_that_are_missing_are_never_drawn_at_random(folder: Path, tmp_path: Path, name: str) -> None:
    place = broken(folder, tmp_path)
    path = place / f"{name}.safetensors"
    weights = load_file(path)
    lost = next(weight for weight in weights if weight.endswith(".weight"))
    save_file({weight: value for weight, value in weights.items() if weight != lost}, path, metadata={"format": "pt"})
    assert f"lacks 1 weights of its {name.partition('/')[0]}, such as '{lost}'" in refusal(place)


@pytest.mark.parametrize("name", ["tokenizer.json", "*"])
def test_a_tokenizer_without_words_is_told(folder: Path, tmp_path: Path, name: str) -> None:
    place = broken(folder, tmp_path)
    for path in (place / "tokenizer").glob(name):
        path.unlink()
    assert "words, its model 514: files are missing in the folder tokenizer" in refusal(place)


def test_pickled_weights_are_not_read(folder: Path, tmp_path: Path) -> None:
    place = broken(folder, tmp_path)
    weights = place / "unet" / "diffusion_pytorch_model.safetensors"
    torch.save(load_file(weights), weights.with_suffix(".bin"))
    weights.unlink()
    assert "no file named diffusion_pytorch_model.safetensors" in refusal(place)


def test_a_pipeline_that_this_diffusers_does_not_know_is_told(folder: Path, tmp_path: Path) -> None:
    place = broken(folder, tmp_path)
    index = json.loads((place / "model_index.json").read_text())
    (place / "model_index.json").write_text(json.dumps({**index, "_class_name": "Flux9EditPipeline"}))
    assert "its pipeline is 'Flux9EditPipeline', which diffusers" in refusal(place)


def test_weights_that_do_not_fit_are_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Any, device: str) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(diffusers.DiffusionPipeline, "to", full)
    assert "do not fit into GPU memory in float32" in refusal(tiny.instruct_pix2pix(folder))


def test_a_wish_that_fits_nowhere_fails_alone(folder: Path) -> None:
    model = loaded("instruct_pix2pix", folder)

    def never(**given: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    model.pipeline.pipe = never
    with pytest.raises(DataError, match="does not fit into memory even alone"):
        model.pipeline.generate([ImageRequest("a", 1, (64, 64), PICTURE[:, :64])])


def test_check_holds_arguments_against_signatures_and_imports_no_library() -> None:
    code = (
        "import sys\nfrom datagen.pipeline.config import load\nfrom datagen.pipeline.graph import build\nfrom pathlib import Path\n"
        "build(load(Path('configs/re_edit.yaml'), profile='generate'))\n"
        "print([m for m in ('torch', 'diffusers', 'transformers', 'accelerate') if m in sys.modules])"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stdout.strip() == "[]"


# The config that edits known pairs anew


def re_edited(folder: Path, profile: str, *sets: str) -> dict[str, dict[str, Any]]:
    """What became of every record of the config, with tiny models in the place of the large."""
    arguments = json.dumps(KLEIN)
    models = [
        f"{model}.{option}"
        for model in ("edit_image.editor", "generate_image.generator")
        for option in (f"weights={tiny.klein_edit(folder)}", f"arguments={arguments}", "precision=float32")
    ]
    small = ["edit_image.editor.pixels=9216", "generate_image.generator.width=96", "generate_image.generator.height=96"]
    scorer = f"filter_direction.scorer.weights={tiny_scorers.clip(folder / 'clip')}"
    bounds = [f"filter_direction.min_{name}=-1" for name in ("source_match", "target_match", "direction", "similarity")]
    cores = [f"{stage}.resources.gpus=0" for stage in ("edit_image", "generate_image", "filter_direction")]
    loose = ["filter_alignment.max_shift=1000", "filter_alignment.max_zoom=0.25"]
    given = [*models, *small, scorer, *bounds, *cores, *loose, *sets]
    graph = build(load(Path("configs/re_edit.yaml"), profile=profile, sets=given))
    out = folder / f"out-{profile}"
    run_local(graph, out, limit=4)
    assert verify(str(out)) == []
    return ledger_rows(out)


def test_the_sources_of_pairs_are_edited_anew(folder: Path) -> None:
    rows = re_edited(folder, "gpu", "fit_image.pixels=9216")
    assert {row["status"] for row in rows.values()} == {"accepted"}
    samples = open_dataset(str(folder / "out-gpu"))
    assert {sample.source.shape for sample in samples} == {sample.target.shape for sample in samples}


def test_the_sources_are_made_anew_of_their_captions(folder: Path) -> None:
    rows = re_edited(folder, "generate")
    assert {row["status"] for row in rows.values()} == {"accepted"}
    assert {sample.source.shape for sample in open_dataset(str(folder / "out-generate"))} == {(96, 96, 3)}
