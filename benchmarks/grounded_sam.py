"""What a picture with eight boxes costs over one with a single box, where it is encoded once for all of them.

python benchmarks/grounded_sam.py
python benchmarks/grounded_sam.py --sam vit_h --device cuda --rounds 5

Full-size models with random weights, in the formats in which the real ones come, loaded as a run loads them.
Time is the process's own, on one thread, as other work on the machine would else be in it; on a GPU it is the clock's.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import cv2
import torch
import transformers
from segment_anything import sam_model_registry
from skimage import data

from datagen import Record
from datagen.imaging.image import Image
from datagen.models.detectors.grounding_dino import GroundingDinoConfig
from datagen.models.segmenters.base import BoxPrompts
from datagen.models.segmenters.sam import SamConfig
from stages.detect_objects import DetectObjects

LIMIT = 1.3
MANY = 8
WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "?", "person", "rocket", "suit")


def save_detector(folder: Path) -> Path:
    """Grounding DINO as transformers' defaults have it: a Swin-T, six layers each, 900 queries."""
    torch.manual_seed(0)
    transformers.GroundingDinoForObjectDetection(transformers.GroundingDinoConfig()).save_pretrained(folder)
    words = [*WORDS, *(f"[unused{n}]" for n in range(30_522 - len(WORDS)))]
    tokenizer = transformers.BertTokenizer(vocab={word: n for n, word in enumerate(words)})
    transformers.GroundingDinoProcessor(transformers.GroundingDinoImageProcessor(), tokenizer).save_pretrained(folder)
    return folder


def save_sam(path: Path, size: str) -> Path:
    torch.manual_seed(0)
    torch.save(sam_model_registry[size]().state_dict(), path)
    return path


def seconds(call: Callable[[], object], *, device: str) -> float:
    clock = time.process_time if device == "cpu" else time.perf_counter
    begun = clock()
    call()  # its answer is on the CPU, so that the GPU is done
    return clock() - begun


def compare(name: str, *, one: Callable[[], object], many: Callable[[], object], rounds: int, device: str) -> bool:
    """Take both in turns, and print their ratio with its limit."""
    times = [(seconds(one, device=device), seconds(many, device=device)) for _ in range(rounds)]
    single, several = (median(each) for each in zip(*times, strict=True))
    ratio = several / single
    print(f"{name}: 1 box {single:.2f} s, {MANY} boxes {several:.2f} s, ratio {ratio:.3f} (limit {LIMIT})", flush=True)
    return ratio < LIMIT


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sam", default="vit_b", choices=["vit_b", "vit_l", "vit_h"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=3)
    requests = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    image = Image.of(data.astronaut())
    boxes = [(16.0 * n, 20.0 * n, 200.0 + 30 * n, 180.0 + 40 * n) for n in range(MANY)]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        sam = SamConfig(weights=str(save_sam(folder / "sam.pth", requests.sam)))
        segmenter = sam.load(requests.device)

        def segment(number: int) -> object:
            return segmenter([BoxPrompts(image.array, boxes[:number])])

        def detect(number: int) -> Callable[[], object]:
            options = {"detector": detector, "segmenter": sam, "phrases": ("person",), "min_score": 0, "max_overlap": 1}
            stage = DetectObjects(DetectObjects.Config.model_validate({**options, "max_objects": number}))
            stage.setup(requests.device)
            return lambda: stage.process([Record("a", {"image": image})])

        segment(1)
        good = compare(
            f"SAM {requests.sam}",
            one=lambda: segment(1),
            many=lambda: segment(MANY),
            rounds=requests.rounds,
            device=requests.device,
        )
        detector = GroundingDinoConfig(weights=str(save_detector(folder / "detector")))
        one, many = detect(1), detect(MANY)
        one()
        good &= compare(
            f"detect_objects, Grounding DINO and SAM {requests.sam}", one=one, many=many, rounds=requests.rounds,
            device=requests.device,
        )  # fmt: skip
    raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    main()
