"""The three networks, as ordinary diffusers and transformers classes."""

from __future__ import annotations

from diffusers.models import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

TEXT_WIDTH = 128
LATENT_CHANNELS = 4
FACTOR = 8
"""Pixels per latent cell, along each side."""
SCALING_FACTOR = 0.18215
"""Raw latents are given the spread of Stable Diffusion's, so code that forgets to scale shows."""


def build_vae(image_size: int) -> AutoencoderKL:
    """About 1.6 M weights; 8 times smaller latents with 4 channels."""
    return AutoencoderKL(
        block_out_channels=(16, 32, 64, 96),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=8,
        mid_block_add_attention=False,
        sample_size=image_size,
        scaling_factor=SCALING_FACTOR,
    )


def build_text_encoder(vocabulary: int, bos: int, eos: int) -> CLIPTextModel:
    """Four causal layers, 128 wide, over 77 tokens."""
    config = CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=TEXT_WIDTH,
        intermediate_size=2 * TEXT_WIDTH,
        projection_dim=TEXT_WIDTH,
        num_hidden_layers=4,
        num_attention_heads=4,
        max_position_embeddings=77,
        hidden_act="quick_gelu",
        bos_token_id=bos,
        eos_token_id=eos,
        pad_token_id=eos,
    )
    return CLIPTextModel(config)


def build_unet(image_size: int, channels: tuple[int, ...] = (64, 96, 160)) -> UNet2DConditionModel:
    """About 7.4 M weights by default; the text is attended to at the two coarser levels."""
    return UNet2DConditionModel(
        sample_size=image_size // FACTOR,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        block_out_channels=channels,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=4,
        norm_num_groups=16,
    )
