"""Pipelines of diffusers with weights drawn from a seed, each saved by `save_pretrained`."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from tiny_words import LETTERS, QWEN, clip_tokenizer, qwen_tokenizer, t5_tokenizer

SIDE = 32


def saved(build: Callable[..., Any]) -> Callable[..., Path]:
    """Build a pipeline from a fixed seed and save it below a folder, once."""

    @wraps(build)
    def save(folder: Path, **options: Any) -> Path:
        place = folder / "-".join([build.__name__, *options])
        if not place.exists():
            torch.manual_seed(0)
            build(**options).save_pretrained(place)
        return place

    return save


def _unet(channels: int, **more: Any) -> Any:
    return diffusers.UNet2DConditionModel(
        block_out_channels=(8, 16),
        norm_num_groups=4,
        layers_per_block=1,
        sample_size=SIDE,
        in_channels=channels,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        **{"cross_attention_dim": 32, "attention_head_dim": 2, **more},
    )


def _vae(*, latents: int = 4, **more: Any) -> Any:
    """It halves sides three times, as the full-size one does."""
    return diffusers.AutoencoderKL(
        block_out_channels=[4, 4, 8, 8],
        norm_num_groups=2,
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        latent_channels=latents,
        **more,
    )


def _clip_config(**more: Any) -> Any:
    tokenizer = clip_tokenizer()
    return transformers.CLIPTextConfig(
        hidden_size=32,
        intermediate_size=37,
        num_attention_heads=4,
        num_hidden_layers=2,
        vocab_size=len(tokenizer),
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **more,
    )


def _scheduler() -> Any:
    return diffusers.DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )


def _sd(cls: Any, channels: int, *, checker: Any = None) -> Any:
    return cls(
        unet=_unet(channels),
        vae=_vae(),
        scheduler=_scheduler(),
        text_encoder=transformers.CLIPTextModel(_clip_config()),
        tokenizer=clip_tokenizer(),
        safety_checker=checker,
        feature_extractor=transformers.CLIPImageProcessor(size=SIDE, crop_size=SIDE) if checker else None,
        requires_safety_checker=checker is not None,
    )


@saved
def text_to_image() -> Any:
    return _sd(diffusers.StableDiffusionPipeline, 4)


@saved
def instruct_pix2pix() -> Any:
    return _sd(diffusers.StableDiffusionInstructPix2PixPipeline, 8)


@saved
def sd_inpaint() -> Any:
    return _sd(diffusers.StableDiffusionInpaintPipeline, 9)


def _checker() -> Any:
    """It takes every picture for unsafe: all thresholds are below any cosine."""
    vision = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.CLIPConfig(vision_config={**vision, "image_size": SIDE, "patch_size": 16}, projection_dim=8)
    checker = StableDiffusionSafetyChecker(config)
    checker.concept_embeds_weights.data.fill_(-2)
    checker.special_care_embeds_weights.data.fill_(-2)
    return checker


@saved
def prudish_text_to_image() -> Any:
    return _sd(diffusers.StableDiffusionPipeline, 4, checker=_checker())


@saved
def prudish_inpaint() -> Any:
    return _sd(diffusers.StableDiffusionInpaintPipeline, 9, checker=_checker())


@saved
def sdxl_inpaint() -> Any:
    two = _clip_config(projection_dim=32, hidden_act="gelu")
    return diffusers.StableDiffusionXLInpaintPipeline(
        unet=_unet(
            9,
            attention_head_dim=(2, 4),
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            transformer_layers_per_block=(1, 1),
            projection_class_embeddings_input_dim=6 * 8 + 32,
            cross_attention_dim=64,
        ),
        vae=_vae(),
        scheduler=_scheduler(),
        text_encoder=transformers.CLIPTextModel(_clip_config(projection_dim=32)),
        tokenizer=clip_tokenizer(),
        text_encoder_2=transformers.CLIPTextModelWithProjection(two),
        tokenizer_2=clip_tokenizer(),
    )


def _t5_encoder(tokenizer: Any) -> Any:
    return transformers.T5EncoderModel(
        transformers.T5Config(
            vocab_size=len(tokenizer),
            d_model=32,
            d_kv=8,
            d_ff=37,
            num_layers=1,
            num_heads=4,
            pad_token_id=0,
            eos_token_id=1,
        )
    )


def _flux(cls: Any, *, channels: int) -> Any:
    t5 = t5_tokenizer()
    return cls(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        vae=_vae(latents=4, use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.06, scaling_factor=1.5),
        text_encoder=transformers.CLIPTextModel(_clip_config()),
        tokenizer=clip_tokenizer(),
        text_encoder_2=_t5_encoder(t5),
        tokenizer_2=t5,
        transformer=diffusers.FluxTransformer2DModel(
            patch_size=1,
            in_channels=channels,
            out_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=32,
            pooled_projection_dim=32,
            guidance_embeds=True,
            axes_dims_rope=(4, 4, 8),
        ),
    )


@saved
def flux_fill() -> Any:
    return _flux(diffusers.FluxFillPipeline, channels=16 + 16 + 4 * 64)


@saved
def flux_kontext() -> Any:
    return _flux(diffusers.FluxKontextPipeline, channels=16)


def _klein(cls: Any, *, distilled: bool = True) -> Any:
    tokenizer = qwen_tokenizer()
    return cls(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        vae=diffusers.AutoencoderKLFlux2(
            block_out_channels=(4, 4, 8, 8), latent_channels=4, norm_num_groups=2, layers_per_block=1, sample_size=SIDE
        ),
        text_encoder=transformers.Qwen3ForCausalLM(
            transformers.Qwen3Config(
                vocab_size=len(tokenizer),
                hidden_size=16,
                intermediate_size=16,
                num_hidden_layers=2,
                num_attention_heads=2,
                num_key_value_heads=2,
                head_dim=8,
            )
        ),
        tokenizer=tokenizer,
        transformer=diffusers.Flux2Transformer2DModel(
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=32,
            timestep_guidance_channels=16,
            axes_dims_rope=(4, 4, 4, 4),
            guidance_embeds=False,
        ),
        is_distilled=distilled,
    )


@saved
def klein_edit() -> Any:
    return _klein(diffusers.Flux2KleinPipeline)


@saved
def pixart(*, channels: int = 4, learned_variance: bool = True, sizes: bool = False) -> Any:
    t5 = t5_tokenizer()
    return diffusers.PixArtAlphaPipeline(
        tokenizer=t5,
        text_encoder=_t5_encoder(t5),
        vae=_vae(),
        transformer=diffusers.PixArtTransformer2DModel(
            num_attention_heads=2,
            attention_head_dim=16,
            cross_attention_dim=32,
            in_channels=channels,
            out_channels=8 if learned_variance else 4,
            num_layers=2,
            sample_size=8,
            caption_channels=32,
            use_additional_conditions=sizes,
        ),
        scheduler=diffusers.DPMSolverMultistepScheduler(),
    )


@saved
def clip_vision() -> Any:
    return transformers.CLIPVisionModel(
        transformers.CLIPVisionConfig(
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=SIDE,
            patch_size=8,
        )
    )


@saved
def klein_base() -> Any:
    return _klein(diffusers.Flux2KleinPipeline, distilled=False)


@saved
def klein_inpaint() -> Any:
    return _klein(diffusers.Flux2KleinInpaintPipeline)


def _qwen_text() -> tuple[Any, Any]:
    """A tiny Qwen2.5-VL and its processor, which brings every picture down to 56 x 56 pixels."""
    tokenizer = qwen_tokenizer()
    names = {name: len(LETTERS) + place for place, name in enumerate(QWEN)}
    model = transformers.Qwen2_5_VLForConditionalGeneration(
        transformers.Qwen2_5_VLConfig(
            text_config={
                "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
                "num_key_value_heads": 2, "vocab_size": len(tokenizer),
                "rope_scaling": {"mrope_section": [1, 1, 2], "rope_type": "default", "type": "default"},
            },
            vision_config={
                "depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 16,
                "fullatt_block_indexes": [0], "patch_size": 14, "window_size": 56,
            },
            vision_start_token_id=names["<|vision_start|>"],
            vision_end_token_id=names["<|vision_end|>"],
            image_token_id=names["<|image_pad|>"],
            video_token_id=names["<|video_pad|>"],
        )
    )  # fmt: skip
    processor = transformers.Qwen2VLProcessor(
        image_processor=transformers.Qwen2VLImageProcessor(size={"shortest_edge": 56 * 56, "longest_edge": 56 * 56}),
        tokenizer=tokenizer,
        video_processor=transformers.Qwen2VLVideoProcessor(),
    )
    return model, processor


def _qwen(cls: Any) -> Any:
    model, processor = _qwen_text()
    deep = 5
    return cls(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        vae=diffusers.AutoencoderKLQwenImage(
            base_dim=1,
            z_dim=4,
            dim_mult=[1, 2, 4, 4, 4, 4],
            num_res_blocks=1,
            temperal_downsample=[False] * deep,
            latents_mean=[0.0] * 4,
            latents_std=[1.0] * 4,
        ),
        text_encoder=model,
        tokenizer=processor.tokenizer,
        processor=processor,
        transformer=diffusers.QwenImageTransformer2DModel(
            patch_size=2,
            in_channels=16,
            out_channels=4,
            num_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=16,
            axes_dims_rope=(8, 4, 4),
        ),
    )


@saved
def qwen_inpaint() -> Any:
    return _qwen(diffusers.QwenImageEditInpaintPipeline)
