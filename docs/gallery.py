"""Draw samples of a finished dataset as one picture.

    python docs/gallery.py out/subject_add docs/images/subject_add.jpg rocket__0 coins__2
    python docs/gallery.py out/plan_generation docs/images/plans.jpg 3__0 12__0

An edit is drawn as reference, source, target and instruction. A sample with steps is drawn as its pictures, with the
words of each step below. Without keys, it draws all samples.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator, Sequence

from PIL import Image, ImageDraw, ImageFont

import datagen

HEIGHT, GAP, TEXT = 190, 10, 330
INK, PAPER, LINE = (34, 34, 34), (255, 255, 255), (214, 214, 214)
FADED, RED, GREEN = (110, 110, 110), (178, 34, 34), (20, 110, 50)
FRAME, LETTERS, LEADING = 160, 26, 15


def fitted(pixels: object, *, width: int) -> Image.Image:
    """A picture scaled into a cell."""
    picture = Image.fromarray(pixels)
    picture.thumbnail((width, HEIGHT), Image.Resampling.LANCZOS)
    cell = Image.new("RGB", (width, HEIGHT), PAPER)
    cell.paste(picture, ((width - picture.width) // 2, (HEIGHT - picture.height) // 2))
    return cell


def strip(sample: datagen.shards.reader.Sample) -> Image.Image:
    """One sample as a row."""
    width = 284
    cells = [
        fitted(sample.refs[0], width=HEIGHT),
        *(fitted(part, width=width) for part in (sample.source, sample.target)),
    ]
    row = Image.new("RGB", (sum(cell.width + GAP for cell in cells) + TEXT, HEIGHT + GAP), PAPER)
    x = 0
    for cell in cells:
        row.paste(cell, (x, 0))
        x += cell.width + GAP
    draw = ImageDraw.Draw(row)
    words = "\n".join(textwrap.wrap(sample.instruction, 44))
    draw.multiline_text((x, 12), words, fill=INK, font=ImageFont.load_default(15), spacing=5)
    draw.line([(0, HEIGHT + GAP // 2), (row.width, HEIGHT + GAP // 2)], fill=LINE)
    return row


Line = tuple[str, tuple[int, int, int]]


def step_lines(step: dict[str, str]) -> Iterator[Line]:
    """The words of a step, wrapped, each line with its colour."""
    colour = GREEN if step.get("verdict") == "consistent" else RED
    for name, ink in (
        *(("instruction", INK), ("description", FADED)),
        *(("verdict", colour), ("critique", colour), ("correction", colour)),
    ):
        text = step.get(name) or ""
        yield from ((line, ink) for line in textwrap.wrap(text, LETTERS))


def plan_strip(sample: datagen.shards.reader.Sample) -> Image.Image:
    """One sample with steps as a row: its task and words, then a picture a step with the step's words below."""
    info = sample.info
    steps = info["steps"]
    before: dict[str, str] = {"description": "source"} if info["inputs"] else {}
    if info["task"] == "refine":  # the judgement is of the source
        before |= {name: steps[0][name] for name in ("verdict", "critique")}
        steps = [{name: steps[0][name] for name in ("instruction", "description", "image")}]
    frames = [(sample.image(step["image"].split(".")[0]), [*step_lines(step)]) for step in steps]
    if before:
        frames.insert(0, (sample.source, [*step_lines(before)]))
    title = f"{info['task']}: {info['text']}"
    font, top = ImageFont.load_default(12), LEADING + 8
    height = top + FRAME + max(len(lines) for _, lines in frames) * LEADING + 2 * GAP
    row = Image.new("RGB", (max(len(frames) * (FRAME + GAP), 7 * len(title)), height), PAPER)
    draw = ImageDraw.Draw(row)
    draw.text((0, 2), title, fill=INK, font=font)
    for number, (pixels, lines) in enumerate(frames):
        x = number * (FRAME + GAP)
        row.paste(Image.fromarray(pixels).resize((FRAME, FRAME), Image.Resampling.LANCZOS), (x, top))
        for place, (line, ink) in enumerate(lines):
            draw.text((x, top + FRAME + 4 + place * LEADING), line, fill=ink, font=font)
    draw.line([(0, height - GAP), (row.width, height - GAP)], fill=LINE)
    return row


def main(out: str, path: str, keys: Sequence[str]) -> None:
    """Draw the samples of `keys` below one another."""
    dataset = datagen.open(out)
    chosen = [dataset.by_key(key) for key in keys] or dataset
    rows = [plan_strip(sample) if sample.info["steps"] else strip(sample) for sample in chosen]
    sheet = Image.new("RGB", (max(row.width for row in rows) + 2 * GAP, sum(row.height for row in rows) + GAP), PAPER)
    y = GAP
    for row in rows:
        sheet.paste(row, (GAP, y))
        y += row.height
    sheet.save(path, quality=88)
    print(f"{path}: {len(rows)} samples")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
