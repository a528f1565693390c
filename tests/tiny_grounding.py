"""Tiny detectors and segmenters with seeded weights, saved in the formats in which the real ones come."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest
import torch
import transformers
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from tokenizers.pre_tokenizers import ByteLevel
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
        backbone_config=backbone, text_config=bert_config(), encoder_layers=2, decoder_layers=2,
        encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=48, decoder_ffn_dim=48, num_queries=24,
        max_text_len=32, **{"d_model": 64, **options},
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


def save_sam2(folder: Path) -> Path:
    torch.manual_seed(6)
    eyes = transformers.Sam2VisionConfig(
        backbone_config=transformers.Sam2HieraDetConfig(
            image_size=[128, 128], hidden_size=8, embed_dim_per_stage=[8, 16, 32, 64], blocks_per_stage=[1, 1, 2, 1],
            num_attention_heads_per_stage=[1, 1, 2, 2], window_size_per_stage=[4, 4, 4, 4], global_attention_blocks=[3],
        ),
        backbone_channel_list=[64, 32, 16, 8], backbone_feature_sizes=[[32, 32], [16, 16], [8, 8]], fpn_hidden_size=32,
    )  # fmt: skip
    model = transformers.Sam2Model(
        transformers.Sam2Config(
            vision_config=eyes, prompt_encoder_config=_prompts(128, 16), mask_decoder_config=_DECODER
        )
    )
    model.save_pretrained(folder)
    side = {"height": 128, "width": 128}
    images = transformers.Sam2ImageProcessor(size=side, mask_size={"height": 32, "width": 32})
    transformers.Sam2Processor(images, target_size=128).save_pretrained(folder)
    return folder


_DECODER = {"hidden_size": 32, "mlp_dim": 32, "num_attention_heads": 2, "iou_head_hidden_dim": 16}


def _prompts(side: int, patch: int) -> dict[str, int]:
    return {"hidden_size": 32, "image_size": side, "patch_size": patch, "mask_input_channels": 8}


def _sam3_eyes() -> dict[str, object]:
    backbone = {
        "model_type": "sam3_vit_model", "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 2, "image_size": 112, "pretrain_image_size": 56, "patch_size": 14, "window_size": 4,
        "global_attn_indexes": [1],
    }  # fmt: skip
    return {
        "model_type": "sam3_vision_model", "backbone_config": backbone, "fpn_hidden_size": 32,
        "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
    }  # fmt: skip


def _sam3_images() -> transformers.Sam3ImageProcessor:
    return transformers.Sam3ImageProcessor(size={"height": 112, "width": 112}, mask_size={"height": 32, "width": 32})


def save_sam3_tracker(folder: Path) -> Path:
    """The half of SAM 3 that takes boxes."""
    torch.manual_seed(7)
    config = transformers.Sam3TrackerConfig(
        vision_config=_sam3_eyes(), prompt_encoder_config=_prompts(112, 14), mask_decoder_config=_DECODER
    )
    transformers.Sam3TrackerModel(config).save_pretrained(folder)
    transformers.Sam3TrackerProcessor(_sam3_images(), target_size=112).save_pretrained(folder)
    return folder


def save_sam3(folder: Path) -> Path:
    """The half of SAM 3 that takes text."""
    torch.manual_seed(8)
    part = {"hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 2, "num_layers": 1, "dropout": 0.0}
    letters = sorted(ByteLevel.alphabet())
    ids = {letter: n for n, letter in enumerate([*letters, *(f"{letter}</w>" for letter in letters)])}
    ids |= {"<|startoftext|>": len(ids), "<|endoftext|>": len(ids) + 1}
    text = {
        "vocab_size": len(ids), "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 2, "max_position_embeddings": 32, "projection_dim": 32,
        "bos_token_id": ids["<|startoftext|>"], "eos_token_id": ids["<|endoftext|>"],
    }  # fmt: skip
    config = transformers.Sam3Config(
        vision_config=_sam3_eyes(), text_config=text, geometry_encoder_config={**part, "roi_size": 3},
        detr_encoder_config=part, detr_decoder_config={**part, "num_queries": 12},
        mask_decoder_config={"hidden_size": 32, "num_attention_heads": 2},
    )  # fmt: skip
    transformers.Sam3Model(config).save_pretrained(folder)
    tokenizer = transformers.CLIPTokenizer(vocab=ids, merges=[], model_max_length=32)
    transformers.Sam3Processor(_sam3_images(), tokenizer, target_size=112).save_pretrained(folder)
    return folder


_ORIGINAL = {
    "modelname": "groundingdino", "backbone": "swin_T_224_1k", "position_embedding": "sine", "pe_temperatureH": 20,
    "pe_temperatureW": 20, "return_interm_indices": [1, 2, 3], "backbone_freeze_keywords": None, "enc_layers": 2,
    "dec_layers": 2, "pre_norm": False, "dim_feedforward": 48, "hidden_dim": 256, "dropout": 0.0, "nheads": 4,
    "num_queries": 24, "query_dim": 4, "num_patterns": 0, "num_feature_levels": 4, "enc_n_points": 4,
    "dec_n_points": 4, "two_stage_type": "standard", "two_stage_bbox_embed_share": False,
    "two_stage_class_embed_share": False, "transformer_activation": "relu", "dec_pred_bbox_embed_share": True,
    "dn_box_noise_scale": 1.0, "dn_label_noise_ratio": 0.5, "dn_label_coef": 1.0, "dn_bbox_coef": 1.0,
    "embed_init_tgt": True, "dn_labelbook_size": 10, "max_text_len": 32, "text_encoder_type": "bert-base-uncased",
    "use_text_enhancer": True, "use_fusion_layer": True, "use_checkpoint": True, "use_transformer_ckpt": True,
    "use_text_cross_attention": True, "text_dropout": 0.0, "fusion_dropout": 0.0, "fusion_droppath": 0.1,
    "sub_sentence_present": True,
}  # fmt: skip
_RENAMED = (
    (r"^model\.backbone\.conv_encoder\.model\.swin\.embeddings\.patch_embeddings\.projection", "backbone.0.patch_embed.proj"),
    (r"^model\.backbone\.conv_encoder\.model\.swin\.embeddings\.norm", "backbone.0.patch_embed.norm"),
    (r"^model\.backbone\.conv_encoder\.model\.swin\.encoder\.layers", "backbone.0.layers"),
    (r"^model\.backbone\.conv_encoder\.model\.hidden_states_norms\.stage2", "backbone.0.norm1"),
    (r"^model\.backbone\.conv_encoder\.model\.hidden_states_norms\.stage3", "backbone.0.norm2"),
    (r"^model\.backbone\.conv_encoder\.model\.hidden_states_norms\.stage4", "backbone.0.norm3"),
    (r"attention\.relative_position_bias\.", "attn."),
    (r"attention\.o_proj", "attn.proj"),
    (r"attention\.([qkv])_proj", r"attn.qkv|\1"),
    (r"layernorm_before", "norm1"),
    (r"layernorm_after", "norm2"),
    (r"^model\.text_backbone", "bert"),
    (r"^model\.text_projection", "feat_map"),
    (r"^model\.input_proj_vision", "input_proj"),
    (r"^model\.level_embed", "transformer.level_embed"),
    (r"^model\.enc_output", "transformer.enc_output"),
    (r"^model\.encoder_output_bbox_embed", "transformer.enc_out_bbox_embed"),
    (r"^model\.query_position_embeddings", "transformer.tgt_embed"),
    (r"^model\.decoder\.layer_norm", "transformer.decoder.norm"),
    (r"^model\.decoder\.reference_points_head", "transformer.decoder.ref_point_head"),
    (r"^model\.encoder\.layers\.(\d+)\.fusion_layer", r"transformer.encoder.fusion_layers.\1"),
    (r"^model\.encoder\.layers\.(\d+)\.text_enhancer_layer", r"transformer.encoder.text_layers.\1"),
    (r"^model\.encoder\.layers\.(\d+)\.deformable_layer", r"transformer.encoder.layers.\1"),
    (r"^model\.decoder", "transformer.decoder"),
    (r"\.vision_param", ".gamma_v"),
    (r"\.text_param", ".gamma_l"),
    (r"layer_norm_vision", "layer_norm_v"),
    (r"layer_norm_text", "layer_norm_l"),
    (r"(values_|out_|\.)vision_proj", r"\1v_proj"),
    (r"(values_|out_|\.)text_proj", r"\1l_proj"),
    (r"encoder_attn_text_layer_norm", "catext_norm"),
    (r"encoder_attn_layer_norm", "norm1"),
    (r"(transformer\.decoder.*)self_attn_layer_norm", r"\1norm2"),
    (r"(transformer\.decoder.*)final_layer_norm", r"\1norm3"),
    (r"self_attn_layer_norm", "norm1"),
    (r"final_layer_norm", "norm2"),
    (r"layer_norm_before", "norm1"),
    (r"layer_norm_after", "norm2"),
    (r"encoder_attn_text", "ca_text"),
    (r"encoder_attn\.", "cross_attn."),
    (r"(transformer.*)\.(q)uery\.(weight|bias)", r"\1.in_proj_\3|\2"),
    (r"(transformer.*)\.(k)ey\.(weight|bias)", r"\1.in_proj_\3|\2"),
    (r"(transformer.*)\.(v)alue\.(weight|bias)", r"\1.in_proj_\3|\2"),
    (r"(transformer.*)\.fc([12])\.", r"\1.linear\2."),
)  # fmt: skip
"""How transformers calls what the authors call otherwise; `|q` is the first third of what they keep in one piece."""


def shrink_original(patch: pytest.MonkeyPatch) -> None:
    """Give the authors' package a small Swin, in the place of those that its options can name."""
    from groundingdino.models.GroundingDINO.backbone import backbone, swin_transformer

    def small(name: str, pretrain_img_size: int, **options: object) -> torch.nn.Module:
        return swin_transformer.SwinTransformer(
            pretrain_img_size=64, embed_dim=16, depths=[1, 1, 2, 1], num_heads=[1, 2, 4, 8], window_size=4, **options
        )

    patch.setattr(backbone, "build_swin_transformer", small)


def save_both_grounding_dinos(folder: Path) -> None:
    """The same weights for transformers, in `ours`, and for the authors' package, with its options, beside it."""
    torch.manual_seed(9)
    model = transformers.GroundingDinoForObjectDetection(grounding_dino_config(d_model=256)).eval()
    for name, weights in model.named_parameters():  # what starts as zeros or ones would hide a wrong place
        if weights.dim() < 2 or "sampling_offsets" in name or "bbox_embed" in name:
            torch.nn.init.normal_(weights, std=0.1, mean=float(name.endswith("norm.weight")))
    torch.nn.init.normal_(model.model.decoder.layer_norm.weight, std=0.1)  # scores that are neither 0 nor 1
    model.save_pretrained(folder / "ours")
    images = transformers.GroundingDinoImageProcessor(size={"shortest_edge": 64, "longest_edge": 96})
    transformers.GroundingDinoProcessor(images, BertTokenizer(vocab=vocabulary())).save_pretrained(folder / "ours")
    save_text_files(folder / "text")
    (folder / "tiny.py").write_text("".join(f"{name} = {value!r}\n" for name, value in _ORIGINAL.items()))
    pooler = {"module.bert.pooler.dense.weight": torch.zeros(32, 32), "module.bert.pooler.dense.bias": torch.zeros(32)}
    torch.save({"model": {**_original_names(model.state_dict()), **pooler}}, folder / "original.pth")


def _original_names(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    parts: dict[str, dict[str, torch.Tensor]] = {}
    for name, weights in state.items():
        for pattern, other in _RENAMED:
            name = re.sub(pattern, other, name)
        third = name[name.index("|") + 1] if "|" in name else ""
        parts.setdefault("module." + name.replace(f"|{third}", ""), {})[third] = weights
    return {name: part[""] if "" in part else torch.cat([part[one] for one in "qkv"]) for name, part in parts.items()}
