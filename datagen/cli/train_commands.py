"""Commands around models: train, edit."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from datagen.cli.common import INTERRUPTED, Engine, JsonOption, RayAddress, SetOption, app, print_json, print_text
from datagen.core.errors import ConfigError, DataError
from datagen.core.redact import escape_control, redact_data

if TYPE_CHECKING:
    from datagen.core.fields import Box


@app.command()
def train(
    config: Annotated[Path, typer.Argument(help="A training, such as configs/train/small.yaml.", metavar="CONFIG")],
    out: Annotated[str, typer.Option(help="Folder for checkpoints and the model.", metavar="FOLDER")] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be trained on, take one step, and write nothing.")
    ] = False,
    engine: Annotated[
        Engine, typer.Option(help="Workers of a Ray cluster, or processes of this machine.")
    ] = Engine.local,
    ray_address: RayAddress = "",
    sets: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train an editing model on finished datasets.

    Shows first which samples are used, and why others are not. Checkpoints, metrics, pictures of edits
    and the model go to the config's folder; the same command goes on from the newest checkpoint, and
    ends with the weights that an unbroken training has. Ctrl-C stores a checkpoint. On Ray, as many
    workers as `processes` says train together, and begin again from the newest checkpoint if one is lost.

    \b
    python -m datagen train configs/train/small.yaml --dry-run
    python -m datagen train configs/train/small.yaml
    python -m datagen train configs/train/small.yaml --engine ray --set processes=2 --set micro_batch=16
    python -m datagen train configs/train/small.yaml --set steps=4000 --set train=longer
    """
    check_training_packages()
    from datagen.progress.training_text import TrainingDisplay
    from datagen.train.config import load_training
    from datagen.train.loop import train as train_it
    from datagen.train.trial import try_out

    training = load_training(config, sets=sets or [], out=out)
    check_training_packages(training.model.packages)
    if dry_run:
        trial = try_out(training)
        if as_json:
            print_json(trial.as_json())
        else:
            print_text("\n".join(trial.lines()))
        return
    on_cluster = engine is Engine.ray or bool(ray_address)
    try:
        with ExitStack() as stack:
            display = stack.enter_context(TrainingDisplay(training.train, steps=training.steps))
            if on_cluster:
                from datagen.execute.engines.cluster import joined_ray  # it takes a second to import Ray

                stack.enter_context(joined_ray(ray_address))
            model = train_it(training, watcher=display, on_cluster=on_cluster)
    except KeyboardInterrupt:
        typer.echo("interrupted; a checkpoint is stored, and the same command goes on from it", err=True)
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        print_json({"model": str(model)})
    else:
        print_text(f"trained: {model}\nuse it:  python -m datagen edit {training.place} PICTURE INSTRUCTION")


@app.command()
def edit(
    model: Annotated[str, typer.Argument(help="Folder of a training or of its model.", metavar="MODEL")],
    picture: Annotated[Path, typer.Argument(help="A png, jpg or webp.", metavar="PICTURE")],
    instructions: Annotated[
        list[str], typer.Argument(help="What to change; several are one edit each.", metavar="INSTRUCTION...")
    ],
    to: Annotated[Path, typer.Option(help="Where the edited picture goes, a png.", metavar="FILE")] = Path(
        "edited.png"
    ),
    box: Annotated[
        Optional[list[str]],  # noqa: UP045 - typer reads it
        typer.Option(help="Where an instruction applies, in pixels; once for each.", metavar="X0,Y0,X1,Y1"),
    ] = None,
    reference: Annotated[
        Optional[list[Path]],  # noqa: UP045
        typer.Option(help="A picture that the instruction refers to; once for each.", metavar="FILE"),
    ] = None,
    planner: Annotated[
        str,
        typer.Option(
            help="What splits one instruction into edits and finds their boxes: a file such as "
            "configs/train/planner.yaml, or `rules`, which splits alone.",
            metavar="FILE",
        ),
    ] = "",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the noise.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda, ...; auto takes a GPU if there is one.")] = "auto",
) -> None:
    """Edit a picture with a trained model.

    The picture is scaled and cut to the size nearest in shape that the model was trained at. With
    `--planner` one instruction may ask for several edits; they and their boxes are shown first.

    \b
    python -m datagen edit out/train/small photo.png "make the cup red"
    python -m datagen edit out/train/small photo.png "add a red star" --box 40,40,90,90 --to star.png
    python -m datagen edit out/train/mcie photo.png "add a cup and remove the dog" --planner configs/train/planner.yaml
    """
    check_training_packages()
    from datagen.imaging.image import Image
    from datagen.train.edit_plans import load_planner, plan_edits
    from datagen.train.editing import edit_picture, load_model
    from datagen.train.gradients import device_of

    if planner and box:
        raise ConfigError("--planner finds the boxes of all edits: leave out --box, or --planner to give all by hand")
    if planner and len(instructions) > 1:
        raise ConfigError(f"--planner splits one instruction, and here are {len(instructions)}: give them as one text")
    if empty := [number for number, text in enumerate(instructions, 1) if not text.strip()]:
        which = f"instruction {empty[0]}" if len(instructions) > 1 else "the instruction"
        raise ConfigError(f"{which} is empty: say what to change")
    planning = load_planner(planner) if planner else None
    boxes: list[Box | None] = [_box(text) for text in box or ()]
    content, whole = _content(picture), " ".join(instructions)
    trained = load_model(model, device=device_of(device))
    if planning:
        plan = plan_edits(planning, content, whole, family=trained.family)
        typer.echo(escape_control(redact_data("\n".join(map(str, plan)))), err=True)
        instructions, boxes = [edit.text for edit in plan], [edit.box for edit in plan]
    edited = edit_picture(
        trained,
        content,
        instructions,
        boxes=boxes,
        whole=whole,
        references=[_content(path) for path in reference or ()],
        seed=seed,
    )
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        to.with_suffix(".png").write_bytes(Image.of(edited).encoded())
    except OSError as error:
        raise ConfigError(f"{to} cannot be written: {error.strerror}") from error
    print_text(f"{to.with_suffix('.png')}: {edited.shape[1]}x{edited.shape[0]}")


def _content(path: Path) -> bytes:
    """The content of a file that is a picture. Raises `ConfigError` that names it if it is none."""
    from datagen.imaging.image import Image

    try:
        content = path.read_bytes()
        Image.decode(content)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except DataError as error:
        raise ConfigError(f"{path}: {error}") from error
    return content


def _box(text: str) -> Box:
    try:
        x0, y0, x1, y1 = (float(edge) for edge in text.split(","))
    except ValueError as error:
        raise ConfigError(f"--box {text}: four numbers are wanted, as in 40,40,90,90") from error
    return x0, y0, x1, y1


def check_training_packages(packages: Sequence[str] = ("torch", "diffusers")) -> None:
    """Raise `SetupError` that names the extra where a package of the trainer is missing."""
    from datagen.models.weights.packages import check_packages

    check_packages(packages, extra="train")
