"""Draw samples of a finished dataset as one picture: reference, source, target, instruction.

    python docs/gallery.py out/subject_add docs/images/subject_add.jpg rocket__0 coins__2

Without keys, it draws all samples.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

import datagen

HEIGHT, GAP, TEXT = 190, 10, 330
INK, PAPER, LINE = (34, 34, 34), (255, 255, 255), (214, 214, 214)


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


def main(out: str, path: str, keys: Sequence[str]) -> None:
    """Draw the samples of `keys` below one another."""
    dataset = datagen.open(out)
    rows = [strip(sample) for sample in ([dataset.by_key(key) for key in keys] or dataset)]
    sheet = Image.new("RGB", (rows[0].width + 2 * GAP, sum(row.height for row in rows) + GAP), PAPER)
    for number, row in enumerate(rows):
        sheet.paste(row, (GAP, GAP + number * row.height))
    sheet.save(path, quality=88)
    print(f"{path}: {len(rows)} samples")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
