"""Our trainer on InstructPix2Pix, against diffusers' own script, on the same dataset, weights and settings.

    python benchmarks/train_ip2p.py train_instruct_pix2pix.py [--weights FOLDER] [--out OUT] [--size 128] [--steps 30]

The script is examples/instruct_pix2pix/train_instruct_pix2pix.py of a checkout of diffusers. Both read OUT as it is;
without `--out`, worlds are drawn. Without `--weights` they are drawn at random, in the shape of Stable Diffusion 1.5 at
a quarter of its width, for two cores. A step's time is that between the losses of two steps as they reach TensorBoard;
the median of all steps but the first five counts, and of `--runs` rounds the median. Besides the wall clock, the
processor's time of the training process is compared, which other work on the machine disturbs less. Ours is measured
twice: without kept latents, and with those that an epoch before has stored.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import NamedTuple

from measuring import ROOT, verdict, watched, workplace

FIRST_STEPS = 5
"""Steps that are not counted: caches fill, and the loaders begin to read ahead."""
STAMPING = """
import os, runpy, sys, time
from torch.utils.tensorboard import SummaryWriter
plain = SummaryWriter.add_scalar
def stamped(self, tag, *arguments, **options):
    print(tag, time.time(), time.process_time(), file=stamps, flush=True)
    return plain(self, tag, *arguments, **options)
SummaryWriter.add_scalar = stamped
stamps = open(sys.argv[1], "w")
sys.argv = sys.argv[2:]
is_script = os.path.exists(sys.argv[0])
runpy.run_path(sys.argv[0], run_name="__main__") if is_script else runpy.run_module(sys.argv[0], run_name="__main__")
"""
"""Runs a script or module, and notes when each number reaches TensorBoard."""


class Rates(NamedTuple):
    """Pictures a second."""

    wall: float
    processor: float
    """Of the time that the training process had of the processor."""


def main() -> None:
    """Print a line for each run and one for each figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("script", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"])
    arguments = parser.parse_args()
    with workplace() as folder:
        os.environ |= {
            "OMP_NUM_THREADS": str(arguments.threads),
            "HF_HOME": str(folder / "home"),
            "HF_HUB_OFFLINE": "1",
            "ACCELERATE_USE_CPU": "true" if arguments.device == "cpu" else "false",
        }
        arguments.weights = (arguments.weights or drawn_weights(folder / "weights")).resolve()
        arguments.out = (arguments.out or drawn_worlds(folder / "out", side=arguments.size)).resolve()
        stored = folder / "encoded"
        ours(folder / "first", arguments, keep=stored, steps=max(FIRST_STEPS + 2, epoch_of(arguments)))
        rounds: dict[str, list[Rates]] = {"theirs": [], "ours": [], "ours, kept latents": []}
        for number in range(arguments.runs):
            place = folder / str(number)
            rounds["theirs"].append(theirs(place / "theirs", arguments))
            rounds["ours"].append(ours(place / "ours", arguments))
            rounds["ours, kept latents"].append(ours(place / "kept", arguments, keep=stored))
            print("  " + "; ".join(f"{name} {rates[-1].wall:.2f}" for name, rates in rounds.items()), flush=True)
    for name, limit in (("ours", 1.0), ("ours, kept latents", 1.3)):
        for clock in (0, 1):
            mine, other = (median(rates[clock] for rates in rounds[side]) for side in (name, "theirs"))
            what = f"{name}, ratio to diffusers' script by {('wall clock', 'processor time')[clock]}"
            figures = f"{mine:.2f} against {other:.2f} pictures a second"
            verdict(what, mine / other, limit=limit, least=True, more=figures)


def epoch_of(arguments: argparse.Namespace) -> int:
    """Steps that show every sample."""
    import datagen

    return -(-len(datagen.open(str(arguments.out), split="train")) // arguments.batch) + 1


def ours(folder: Path, arguments: argparse.Namespace, *, keep: Path | None = None, steps: int = 0) -> Rates:
    """Pictures a second of our trainer."""
    sets: Mapping[str, object] = {
        "model.weights": arguments.weights,
        "data.datasets": f"[{{path: {arguments.out}}}]",
        "data.sizes": f"[[{arguments.size}, {arguments.size}]]",
        "data.flip": 0,
        "data.crop": "middle",
        "data.workers": arguments.workers,
        "data.keep_encoded": keep or "null",
        "steps": steps or arguments.steps,
        "batch_size": arguments.batch,
        "micro_batch": "null",
        "precision": arguments.precision,
        "device": arguments.device,
        "threads": arguments.threads,
        "checkpoints.every": 10**6,
        "evaluation.every": 10**6,
        "evaluation.samples": 1,
        "evaluation.pictures": 0,
    }
    words = [word for name, value in sets.items() for word in ("--set", f"{name}={value}")]
    config = str(ROOT / "configs" / "train" / "ip2p.yaml")
    command = ["datagen", "train", config, "--out", str(folder / "training"), *words]
    return stamped(command, folder, name="loss", batch=arguments.batch)


def theirs(folder: Path, arguments: argparse.Namespace) -> Rates:
    """Pictures a second of diffusers' script."""
    options = {
        "pretrained_model_name_or_path": arguments.weights,
        "dataset_name": arguments.out,
        "original_image_column": "source.png",
        "edited_image_column": "target.png",
        "edit_prompt_column": "txt",
        "resolution": arguments.size,
        "train_batch_size": arguments.batch,
        "max_train_steps": arguments.steps,
        "learning_rate": 5e-5,
        "conditioning_dropout_prob": 0.05,
        "mixed_precision": "bf16" if arguments.precision == "bf16" else "no",
        "dataloader_num_workers": arguments.workers,
        "checkpointing_steps": 10**6,
        "seed": 0,
        "output_dir": folder / "training",
    }
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    command = [str(arguments.script), *words, "--use_ema", "--center_crop"]
    return stamped(command, folder, name="train_loss", batch=arguments.batch)


def stamped(command: Sequence[str], folder: Path, *, name: str, batch: int) -> Rates:
    """Run a training as a process; how fast it was, by when its losses called `name` reach TensorBoard."""
    folder.mkdir(parents=True)
    stamps = folder / "stamps.txt"
    watched([sys.executable, "-c", STAMPING, str(stamps), *command], interval=15)
    rows = [line.split() for line in stamps.read_text("utf-8").splitlines()]
    times = [(float(wall), float(processor)) for tag, wall, processor in rows if tag == name]
    gaps = [(after[0] - before[0], after[1] - before[1]) for before, after in pairwise(times)][FIRST_STEPS:]
    wall, processor = (median(column) for column in zip(*gaps, strict=True))
    return Rates(batch / wall, batch / processor)


def drawn_worlds(out: Path, *, side: int) -> Path:
    """A dataset of edits of shapes on photographs."""
    sets = ("source.count=30", f"source.width={side}", f"source.height={side}")
    words = [word for each in sets for word in ("--set", each)]
    config = str(ROOT / "configs" / "world_small.yaml")
    watched(
        [sys.executable, "-m", "datagen", "run", config, "--engine", "local", "--out", str(out), *words], interval=15
    )
    return out


def drawn_weights(folder: Path) -> Path:
    """A text-to-image model in the shape of Stable Diffusion 1.5 at a quarter of its width, whose words are bytes."""
    import diffusers
    import torch
    import transformers
    from tokenizers.pre_tokenizers import ByteLevel

    torch.manual_seed(0)
    letters = sorted(ByteLevel.alphabet())
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    pipeline = diffusers.StableDiffusionPipeline(
        unet=diffusers.UNet2DConditionModel(
            sample_size=32,
            block_out_channels=(80, 160, 320, 320),
            norm_num_groups=16,
            cross_attention_dim=192,
            attention_head_dim=8,
        ),
        vae=diffusers.AutoencoderKL(
            block_out_channels=(32, 64, 128, 128),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=2,
            norm_num_groups=16,
        ),
        text_encoder=transformers.CLIPTextModel(
            transformers.CLIPTextConfig(
                vocab_size=len(words),
                hidden_size=192,
                intermediate_size=768,
                num_attention_heads=12,
                num_hidden_layers=12,
                bos_token_id=len(words) - 2,
                eos_token_id=len(words) - 1,
                pad_token_id=len(words) - 1,
            )
        ),
        tokenizer=transformers.CLIPTokenizer(
            {word: place for place, word in enumerate(words)}, [], model_max_length=77
        ),
        scheduler=diffusers.DDIMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            clip_sample=False,
            set_alpha_to_one=False,
            steps_offset=1,
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder)
    return folder


if __name__ == "__main__":
    main()
