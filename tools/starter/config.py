"""Every number of the recipe, in one frozen place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
DEFAULT_OUT = REPOSITORY / "models" / "checkpoints" / "easel-starter"
DEFAULT_STATE = Path.home() / ".cache" / "easel-starter"


@dataclass(frozen=True)
class Recipe:
    """Sizes, lengths and rates; a changed value is a new `dataclasses.replace`d recipe."""

    seed: int = 20_240
    image_size: int = 64
    vocabulary: int = 1024

    vae_steps: int = 3400
    vae_batch: int = 16
    vae_lr: float = 1.2e-3
    vae_kl: float = 1e-4

    decoder_steps: int = 3000
    decoder_noise: float = 0.06
    """Standard deviation added to unit-spread latents while the decoder is refined."""

    text_steps: int = 600
    text_batch: int = 64
    text_lr: float = 1e-3

    cache_sizes: tuple[tuple[int, int], ...] = ((64, 32_000), (96, 6_000), (128, 4_000))
    """(pixels, how many scenes) whose latents are kept; the first is the native size."""

    unet_channels: tuple[int, ...] = (64, 96, 160)
    unet_steps: int = 12_000
    batch: int = 32
    captions: int = 6
    """How many captions are kept for each combination and size word."""
    lr: float = 7e-4
    warmup: int = 300
    decay_share: float = 0.5
    caption_dropout: float = 0.12
    twins_from: int = 8100
    """From this step on, half of a batch repeats the other half with the empty caption ..."""
    clear_below: int = 600
    """... at timesteps under this one,"""
    agree_below: int = 450
    twin_weight: float = 3.0
    """and under this one, their difference is added to the loss with this weight."""
    ema: float = 0.998
    timestep_shares: tuple[tuple[int, float, float], ...] = ((0, 0.5, 0.0), (4100, 0.1, 0.6))
    """(from step, share of very noisy timesteps, share of middling ones); the rest is uniform."""
    loss_weight: str = "v"
    """'v': plain mean square of v; 'min_snr': min(snr, 5) / (snr + 1) times that."""
    large_from: int = 10**9
    """Step from which batches of the larger cached sizes are mixed in."""

    save_every: int = 500
    log_every: int = 50
    export_every: int = 1000
