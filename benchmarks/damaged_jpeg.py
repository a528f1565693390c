"""What finding damaged JPEG files costs, and how many of them it finds.

Real photographs of scikit-image, as they come and saved anew; each is damaged at random places in its data.
"""

from __future__ import annotations

import argparse
import io
import random
import time
from collections.abc import Callable
from pathlib import Path

import skimage
from PIL import Image as Pillow

from datagen.core.errors import DataError
from datagen.imaging.image import Image

PHOTOGRAPHS = ("hubble_deep_field.jpg", "retina.jpg", "rocket.jpg", "astronaut.png", "coffee.png", "chelsea.png")
Damage = Callable[[bytes, int, int], bytes]
DAMAGES: dict[str, Damage] = {
    "cut out": lambda file, at, length: file[:at] + file[at + length :],
    "zeros": lambda file, at, length: file[:at] + bytes(length) + file[at + length :],
    "swapped": lambda file, at, length: (
        file[:at] + file[at + length : at + 2 * length] + file[at : at + length] + file[at + 2 * length :]
    ),
    "twice": lambda file, at, length: file[: at + length] + file[at:],
    "noise": lambda file, at, length: file[:at] + random.Random(at).randbytes(length) + file[at + length :],
    "one bit": lambda file, at, length: file[:at] + bytes([file[at] ^ 1 << length % 8]) + file[at + 1 :],
}


def files() -> dict[str, bytes]:
    """JPEG files by name."""
    found: dict[str, bytes] = {}
    for name in PHOTOGRAPHS:
        path = Path(skimage.__file__).parent / "data" / name
        if path.suffix == ".jpg":
            found[name] = path.read_bytes()
        for progressive in (False, True):
            with Pillow.open(path) as opened:
                buffer = io.BytesIO()
                opened.convert("RGB").save(buffer, "JPEG", quality=90, progressive=progressive)
            found[f"{name}, {'progressive' if progressive else 'baseline'}"] = buffer.getvalue()
    return found


def seconds(work: Callable[[], object], *, times: int) -> float:
    """The shortest of several times, in CPU time of this thread."""
    taken = []
    for _ in range(times):
        begun = time.thread_time()
        work()
        taken.append(time.thread_time() - begun)
    return min(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=15)
    parser.add_argument("--damages", type=int, default=40, help="damages of each kind, of each file")
    options = parser.parse_args()
    tried, draw = files(), random.Random(0)
    ratios = []
    for name, file in tried.items():
        bare = seconds(lambda file=file: Image.decode(file), times=options.times)  # type: ignore[misc]
        strict = seconds(lambda file=file: Image.decode(file, damaged_jpeg="refuse"), times=options.times)  # type: ignore[misc]
        ratios.append(strict / bare)
        print(f"{name}: {1000 * bare:.1f} ms, and {1000 * strict:.1f} ms when damage is looked for: {ratios[-1]:.2f}")
    print(f"mean ratio {sum(ratios) / len(ratios):.2f}, from {min(ratios):.2f} to {max(ratios):.2f}")
    for kind, damage in DAMAGES.items():
        found = 0
        for file in tried.values():
            start = file.index(b"\xff\xda") + 14
            for _ in range(options.damages):
                length = draw.randint(64, 512)
                spoilt = damage(file, draw.randrange(start, len(file) - 2 * length), length)
                try:
                    Image.decode(spoilt, damaged_jpeg="refuse")
                except DataError:
                    found += 1
        print(f"{kind}: {found} of {len(tried) * options.damages} found")


if __name__ == "__main__":
    main()
