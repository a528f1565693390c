"""Tiny seeded models that score pictures, saved as their published sisters are: a real folder each."""

from __future__ import annotations

import io
import json
from pathlib import Path

import torch
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    BitImageProcessor,
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPTokenizer,
    Dinov2Config,
    Dinov2Model,
    Siglip2Config,
    Siglip2ImageProcessor,
    Siglip2Model,
    Siglip2Tokenizer,
    SiglipConfig,
    SiglipImageProcessor,
    SiglipModel,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessor,
    ViTModel,
)

SIDE = 32
_TOWER = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
_EYES = {**_TOWER, "image_size": SIDE, "patch_size": 8}
LETTERS = sorted(ByteLevel.alphabet())


def clip(folder: Path) -> Path:
    """A CLIP model with byte-wise tokens."""
    torch.manual_seed(1)
    ids = {letter: n for n, letter in enumerate([*LETTERS, *(f"{letter}</w>" for letter in LETTERS)])}
    ids |= {"<|startoftext|>": len(ids), "<|endoftext|>": len(ids) + 1}
    special = {"bos_token_id": ids["<|startoftext|>"], "eos_token_id": ids["<|endoftext|>"]}
    text = {**_TOWER, "vocab_size": len(ids), "max_position_embeddings": 24, "projection_dim": 24, **special}
    config = CLIPConfig(text_config=text, vision_config={**_EYES, "projection_dim": 24}, projection_dim=24)
    CLIPModel(config).save_pretrained(folder)
    CLIPTokenizer(vocab=ids, merges=[], model_max_length=24).save_pretrained(folder)
    CLIPImageProcessor(
        size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}, resample=3
    ).save_pretrained(folder)
    return folder


def siglip(folder: Path) -> Path:
    """A model of SigLIP's first architecture, which most SigLIP 2 checkpoints have too."""
    torch.manual_seed(2)
    text = {**_TOWER, "vocab_size": _vocabulary_size(), "max_position_embeddings": 16, "projection_size": 32}
    SiglipModel(SiglipConfig(text_config=text, vision_config=_EYES)).save_pretrained(folder)
    _siglip_tokenizer(folder)
    SiglipImageProcessor(size={"height": SIDE, "width": SIDE}, resample=2).save_pretrained(folder)
    return folder


def siglip_v1_tokenizer(folder: Path) -> None:
    """A sentencepiece model in the place of the tokenizer, as SigLIP's first checkpoints have it."""
    from sentencepiece import SentencePieceTrainer

    made = io.BytesIO()
    filler = [f"filler{n}" for n in range(60)]  # as many words as the model has
    SentencePieceTrainer.train(
        sentence_iterator=iter(["a photo of a cat and a dog in the garden"] * 20),
        model_writer=made,
        vocab_size=90,
        hard_vocab_limit=False,
        user_defined_symbols=filler,
        minloglevel=2,
    )
    (folder / "tokenizer.json").unlink()
    (folder / "spiece.model").write_bytes(made.getvalue())
    values = {"tokenizer_class": "SiglipTokenizer", "eos_token": "</s>", "pad_token": "</s>", "unk_token": "<unk>"}
    (folder / "tokenizer_config.json").write_text(json.dumps({**values, "do_lower_case": True, "model_max_length": 16}))


def siglip2(folder: Path) -> Path:
    """A SigLIP 2 model of the NaFlex kind, which keeps a picture's shape."""
    torch.manual_seed(3)
    text = {**_TOWER, "vocab_size": _vocabulary_size(), "max_position_embeddings": 16, "projection_size": 32}
    eyes = {**_TOWER, "patch_size": 8, "num_patches": 16}
    Siglip2Model(Siglip2Config(text_config=text, vision_config=eyes)).save_pretrained(folder)
    _siglip_tokenizer(folder)
    Siglip2ImageProcessor(patch_size=8, max_num_patches=16).save_pretrained(folder)
    return folder


def _vocabulary_size() -> int:
    return len(_siglip_vocabulary())


def _siglip_vocabulary() -> dict[str, int]:
    signs = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "▁", *map(chr, range(33, 127))]
    return {sign: n for n, sign in enumerate(signs)}


def _siglip_tokenizer(folder: Path) -> None:
    Siglip2Tokenizer(vocab=_siglip_vocabulary(), merges=[], model_max_length=16).save_pretrained(folder)


def dino(folder: Path) -> Path:
    """A ViT as DINO v1's are saved, without the pooling that it has not."""
    torch.manual_seed(4)
    ViTModel(ViTConfig(**_EYES), add_pooling_layer=False).save_pretrained(folder)
    ViTImageProcessor(size={"height": SIDE, "width": SIDE}).save_pretrained(folder)
    return folder


def dinov2(folder: Path) -> Path:
    """A DINOv2 model, whose processor makes the shorter side a little longer than the crop."""
    torch.manual_seed(5)
    Dinov2Model(Dinov2Config(**{**_EYES, "mlp_ratio": 2})).save_pretrained(folder)
    BitImageProcessor(
        size={"shortest_edge": 36},
        crop_size={"height": SIDE, "width": SIDE},
        resample=3,
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    ).save_pretrained(folder)
    return folder


def classifier(folder: Path, *, labels: tuple[str, ...] = ("normal", "nsfw"), problem: str | None = None) -> Path:
    """A ViT that tells labels apart."""
    torch.manual_seed(6)
    config = ViTConfig(**_EYES, id2label=dict(enumerate(labels)), label2id={label: n for n, label in enumerate(labels)})
    config.problem_type = problem
    ViTForImageClassification(config).save_pretrained(folder)
    ViTImageProcessor(size={"height": SIDE, "width": SIDE}).save_pretrained(folder)
    return folder


OPEN_CLIP = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": SIDE, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 24, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}
"""An architecture in open_clip's own words; its tokenizer comes with the package."""


def open_clip(folder: Path) -> Path:
    """A folder as `local-dir:` reads it."""
    from open_clip import CLIP
    from safetensors.torch import save_file

    torch.manual_seed(7)
    folder.mkdir(parents=True, exist_ok=True)
    values = {"model_cfg": OPEN_CLIP, "preprocess_cfg": {"interpolation": "bicubic", "resize_mode": "shortest"}}
    (folder / "open_clip_config.json").write_text(json.dumps(values))
    save_file(CLIP(**OPEN_CLIP).state_dict(), folder / "open_clip_model.safetensors")
    return folder


def head(path: Path, *, names: tuple[str, ...], widths: tuple[int, ...], seed: int = 8) -> Path:
    """Linear layers of these widths, by the published names."""
    made = torch.Generator().manual_seed(seed)
    state = {}
    for name, wide, narrow in zip(names, widths, widths[1:], strict=False):
        state[f"{name}weight"] = torch.randn(narrow, wide, generator=made) / wide**0.5
        state[f"{name}bias"] = torch.randn(narrow, generator=made)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, path)
    return path


MLP = (1024, 128, 64, 16, 1)
"""Widths of the published heads after their first."""


def laion_v1(path: Path, *, width: int = 24) -> Path:
    """A head as LAION-AI/aesthetic-predictor publishes it."""
    return head(path, names=("",), widths=(width, 1))


def laion_v2(path: Path, *, width: int = 24) -> Path:
    """A head as christophschuhmann/improved-aesthetic-predictor publishes it."""
    return head(path, names=tuple(f"layers.{n}." for n in (0, 2, 4, 6, 7)), widths=(width, *MLP))


def aesthetic_v2_5(path: Path, *, width: int = 32) -> Path:
    """A head as discus0434/aesthetic-predictor-v2-5 publishes it."""
    return head(path, names=tuple(f"scoring_head.{n}." for n in (0, 2, 4, 6, 8)), widths=(width, *MLP))
