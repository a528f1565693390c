"""Tiny detectors and segmenters with seeded weights, saved in the formats in which the real ones come."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
import transformers
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from transformers.models.bert.tokenization_bert import BertTokenizer

WORDS = ("a", "an", "cat", "dog", "red", "cup", "of", "tea", "the", "on", "##s", "box")


def vocabulary() -> dict[str, int]:
    return {word: n for n, word in enumerate(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "?", ",", *WORDS))}


def bert_config() -> transformers.BertConfig:
    return transformers.BertConfig(
        vocab_size=len(vocabulary()), hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48
    )


def save_text_files(folder: Path) -> Path:
    """What a text encoder's repository has beside the weights."""
    BertTokenizer(vocab=vocabulary()).save_pretrained(folder)
    bert_config().save_pretrained(folder)
    return folder


def grounding_dino_config(**options: object) -> transformers.GroundingDinoConfig:
    """Small, and shaped as the authors' options say for the same sizes."""
    backbone = transformers.SwinConfig(
        image_size=64, patch_size=4, embed_dim=16, depths=[1, 1, 2, 1], num_heads=[1, 2, 4, 8], window_size=4,
        out_indices=[2, 3, 4], drop_path_rate=0.0,
    )  # fmt: skip
    return transformers.GroundingDinoConfig(
        backbone_config=backbone, text_config=bert_config(), d_model=32, encoder_layers=2, decoder_layers=2,
        encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=48, decoder_ffn_dim=48, num_queries=24,
        max_text_len=32, **options,
    )  # fmt: skip


def save_grounding_dino(folder: Path) -> Path:
    torch.manual_seed(3)
    model = transformers.GroundingDinoForObjectDetection(grounding_dino_config())
    model.save_pretrained(folder)
    images = transformers.GroundingDinoImageProcessor(size={"shortest_edge": 64, "longest_edge": 96})
    transformers.GroundingDinoProcessor(images, BertTokenizer(vocab=vocabulary())).save_pretrained(folder)
    return folder


def tiny_sam() -> Sam:
    """Segment Anything from its own modules, with an encoder of two small blocks."""
    torch.manual_seed(5)
    encoder = ImageEncoderViT(
        img_size=128, patch_size=16, embed_dim=32, depth=2, num_heads=4, mlp_ratio=2, out_chans=32,
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6), use_rel_pos=True, window_size=4, global_attn_indexes=[1],
    )  # fmt: skip
    prompts = PromptEncoder(embed_dim=32, image_embedding_size=(8, 8), input_image_size=(128, 128), mask_in_chans=8)
    decoder = MaskDecoder(
        transformer_dim=32, transformer=TwoWayTransformer(depth=2, embedding_dim=32, mlp_dim=32, num_heads=8),
        num_multimask_outputs=3, iou_head_depth=2, iou_head_hidden_dim=16,
    )  # fmt: skip
    return Sam(encoder, prompts, decoder).eval()


def save_sam(path: Path) -> Path:
    torch.save(tiny_sam().state_dict(), path)
    return path
