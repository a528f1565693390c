"""The command that judges models and folders of outputs: evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Optional

import typer

from datagen.cli import completion
from datagen.cli.common import INTERRUPTED, JsonOption, SetOption, app, print_json, print_text, register_secrets_of
from datagen.core.errors import ConfigError

if TYPE_CHECKING:
    from datagen.evaluate.evaluation import Evaluated, EvaluationRequest


@app.command()
def evaluate(
    judged: Annotated[
        list[str],
        typer.Argument(
            help="Folders of trained models, folders of outputs KEY.png, or the word copy.", metavar="MODEL"
        ),
    ],
    dataset: Annotated[
        str,
        typer.Argument(
            help="A finished dataset, whose targets are the reference.",
            metavar="DATASET",
            autocompletion=completion.outs,
            callback=register_secrets_of,
        ),
    ],
    split: Annotated[str, typer.Option(help="Which part of the dataset: val or train.", metavar="SPLIT")] = "val",
    config: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads it
        typer.Option(
            help="Networks and judges, a YAML file; docs/evaluation.md.",
            metavar="FILE",
            autocompletion=completion.configs,
        ),
    ] = None,
    sets: SetOption = None,
    size: Annotated[
        Optional[list[str]],  # noqa: UP045 - typer reads it
        typer.Option(help="Size at which pictures are compared; may be given several times.", metavar="WxH"),
    ] = None,
    limit: Annotated[Optional[int], typer.Option(min=1, help="Most samples.", metavar="N")] = None,  # noqa: UP045
    sources: Annotated[
        str, typer.Option(help="What intervals are over: picture (before the edit) or original.", metavar="KIND")
    ] = "picture",
    pictures: Annotated[int, typer.Option(min=0, max=1000, help="Samples to show on the page.", metavar="N")] = 48,
    save_outputs: Annotated[
        bool, typer.Option("--save-outputs", help="Save the outputs of models, as folders to judge again.")
    ] = False,
    to: Annotated[
        Path, typer.Option(help="Folder for evaluation.json, index.html and replies of judges.", metavar="FOLDER")
    ] = Path("out/evaluation"),
    device: Annotated[str, typer.Option(help="cpu, cuda, ...; auto takes a GPU if there is one.")] = "auto",
    as_json: JsonOption = False,
) -> None:
    """Judge editing models, or folders of their outputs, on a split of a dataset.

    Each number comes with its reference, N, failures and a 95 % interval over source pictures; several
    models are compared in pairs. Baselines are judged beside: the copied source, each model with another
    sample's text, and the target itself. On datasets of drawn worlds each edit is checked exactly. A
    network or judge is used if its weights or server are named; else it is listed as not measured.

    \b
    python -m datagen evaluate out/train/small out/world_small
    python -m datagen evaluate out/train/a out/train/b out/world_small --split val --limit 200
    python -m datagen evaluate outputs/mine outputs/theirs out/world_small --size 256x256
    python -m datagen evaluate out/train/small out/world_small --set clip.weights=openai/clip-vit-base-patch32
    python -m datagen evaluate copy out/world_small --json | jq .values
    """
    from datagen.cli.train_commands import check_training_packages

    check_training_packages()
    from datagen.evaluate.config import load_evaluation
    from datagen.evaluate.evaluation import EvaluationRequest

    kind: Literal["picture", "original"]
    if sources not in ("picture", "original"):
        raise ConfigError(f"--sources {sources}: wanted is picture or original")
    kind = "original" if sources == "original" else "picture"
    request = EvaluationRequest(
        judged=judged,
        dataset=dataset,
        split=split,
        sizes=[_size(text) for text in size or ()],
        by=kind,
        limit=limit,
        device=device,
        config=load_evaluation(config, sets=sets or []),
        replies=str(to / "replies"),
        outputs=to / "outputs" if save_outputs else None,
        pictures=pictures,
    )
    evaluated = _evaluated(request)
    _write(evaluated, to)
    if as_json:
        print_json(evaluated.results.model_dump(mode="json"))
        return
    from datagen.evaluate.text import evaluation_text

    print_text(evaluation_text(evaluated.results))
    print_text(
        f"\n{to / 'index.html'}: the samples in which the judged differ most\n{to / 'evaluation.json'}: all numbers"
    )


def _evaluated(request: EvaluationRequest) -> Evaluated:
    from rich.console import Console

    from datagen.evaluate.evaluation import evaluate as evaluate_it

    console = Console(stderr=True)
    status = console.status("evaluating")
    try:
        if console.is_terminal:
            status.start()
        return evaluate_it(
            request, on_progress=lambda done, whole: status.update(f"evaluating: {done:,} of {whole:,} samples")
        )
    except KeyboardInterrupt:
        typer.echo("interrupted; replies of judges are stored, and the same command uses them", err=True)
        raise typer.Exit(INTERRUPTED) from None
    finally:
        status.stop()


def _write(evaluated: Evaluated, to: Path) -> None:
    from datagen.core.redact import redact
    from datagen.evaluate.page import evaluation_page

    page = redact(evaluation_page(evaluated))
    try:
        to.mkdir(parents=True, exist_ok=True)
        (to / "evaluation.json").write_bytes(evaluated.results.encoded())
        (to / "index.html").write_text(page, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise ConfigError(f"{to} cannot be written: {error.strerror}; give another --to") from error


def _size(text: str) -> tuple[int, int]:
    width, x, height = text.partition("x")
    if not (x and width.isdigit() and height.isdigit() and 1 <= int(width) <= 8192 and 1 <= int(height) <= 8192):
        raise ConfigError(f"--size {text}: wanted are width and height in pixels, as in 256x256")
    return int(width), int(height)
