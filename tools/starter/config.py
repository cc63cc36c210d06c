"""Every number of the recipe, in one frozen place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from tools.starter.plans import CachePlan

REPOSITORY = Path(__file__).resolve().parents[2]
DEFAULT_OUT = REPOSITORY / "models" / "checkpoints" / "easel-starter"
DEFAULT_STATE = Path.home() / ".cache" / "easel-starter"


@dataclass(frozen=True)
class Recipe:
    """Sizes, lengths and rates; a changed value is a new `dataclasses.replace`d recipe."""

    seed: int = 20_240
    image_size: int = 128
    crop_size: int = 64
    """Side of the windows that the autoencoder trains on, in pixels."""
    vocabulary: int = 1536

    vae_steps: int = 3400
    vae_batch: int = 16
    vae_lr: float = 1.2e-3
    vae_kl: float = 1e-4

    decoder_steps: int = 3000
    decoder_lr: float = 1.2e-3
    decoder_noise: float = 0.12
    """Standard deviation added to unit-spread latents while the decoder is refined."""

    sharpen_steps: int = 0
    """Steps that an earlier checkpoint's autoencoder is trained further for."""
    sharpen_lr: float = 8e-4
    sharpen_anchor: float = 0.05
    """Weight of staying near the earlier latents, in squares of their spread."""
    hard: tuple[tuple[str, float], ...] = ()
    """Objects that come out worst, and how many times as often they are met."""

    text_steps: int = 700
    text_batch: int = 128
    text_lr: float = 1e-3

    caches: tuple[CachePlan, ...] = (
        CachePlan((64, 64), 12_000, close=True),
        CachePlan((128, 128), 16_000),
        CachePlan((96, 96), 4_000),
        CachePlan((192, 128), 2_000),
        CachePlan((128, 192), 2_000),
        CachePlan((160, 160), 2_000),
        CachePlan((192, 192), 1_000),
    )
    """Scenes whose latents are kept."""
    cache_shares: tuple[tuple[int, tuple[float, ...]], ...] = (
        (0, (0.75, 0.25)),
        (1200, (0.30, 0.70)),
        (2400, (0.06, 0.94)),
        (7200, (0.04, 0.66, 0.08, 0.06, 0.06, 0.06, 0.04)),
    )
    """(from step, share of the steps for each cache)."""

    unet_channels: tuple[int, ...] = (64, 96, 160)
    unet_steps: int = 8_000
    batch: int = 24
    """Pictures of the native size in a step; a second process (`--assist`) brings as many."""
    bf16: bool = False
    """Whether the UNet multiplies in bfloat16 on a CPU; faster on some, slower on others."""
    lr: float = 7e-4
    warmup: int = 200
    decay_share: float = 0.5
    glyph_share: float = 0.6
    """Share of glyph scenes among the UNet's."""
    caption_dropout: float = 0.12
    twins_from: int = 6_800
    """From this step on, half of a batch repeats the other half with the empty caption ..."""
    clear_below: int = 600
    """... at timesteps under this one,"""
    agree_below: int = 450
    twin_weight: float = 3.0
    """and under this one, their difference is added to the loss with this weight."""
    input_noise: float = 0.0
    """Standard deviation of what is added to the noise of the UNet's input but not to its target.

    A sampler feeds the UNet its own small errors; so it learns not to trust its input to the last
    digit (Ning et al. 2023).
    """
    ema: float = 0.998
    timestep_shares: tuple[tuple[int, tuple[float, float]], ...] = (
        (0, (0.35, 0.35)),
        (4000, (0.15, 0.55)),
    )
    """(from step, (share of very noisy timesteps, share of middling ones)); the rest is uniform."""
    clear_dropout: float = 0.0
    """Share of captions dropped below `clear_below`, where it is more than `caption_dropout`."""
    edge_weight: float = 1.0
    """How many times as much as a face an edge of the latents counts at most."""
    loss_weight: str = "v"
    """'v': plain mean square of v; 'min_snr': min(snr, 5) / (snr + 1) times that."""
    calibrated_scale: float = 7.0
    """The guidance scale at which a calibrated UNet says what its teacher says at its best."""
    teacher_guidance: tuple[tuple[float, float], ...] = ((0, 1.0),)
    """(timestep, the scale at which the teacher draws best there); linear in between."""
    scales: tuple[float, ...] = (3.0, 5.0, 7.0, 7.0)
    """Guidance scales that a calibrated UNet draws with while it learns."""
    guided_weight: float = 0.0
    """Weight of what the guided answers miss, beside what each branch misses."""
    walkers: int = 0
    """Pictures in each calibrating step that the student is drawing itself."""
    swap_share: float = 0.0
    """Share of captions that are of another picture while calibrating."""

    meet_every_s: float = 45.0
    """Seconds that an assisting process trains alone."""

    image_layers: int = 4
    image_patch: int = 8
    """Side of the image tower's patches, in pixels."""
    image_steps: int = 2_200
    image_batch: int = 96
    image_lr: float = 1.2e-3
    image_facts: float = 0.5
    """Weight of telling the facts from the picture beside the contrast with captions."""

    tiny_steps: int = 2500
    tiny_lr: float = 2e-3

    save_every: int = 500
    log_every: int = 50
    export_every: int = 1000


FURTHER = replace(
    Recipe(),
    caches=(
        *Recipe().caches,
        CachePlan((128, 128), 20_000, edition=1),
        CachePlan((128, 128), 6_000, styled=True),
    ),
    cache_shares=((0, (0.03, 0.27, 0.06, 0.04, 0.04, 0.04, 0.03, 0.35, 0.14)),),
    unet_steps=13_000,
    lr=5e-4,
    decay_share=0.7,
    glyph_share=0.5,
    timestep_shares=((0, (0.15, 0.55)),),
    twins_from=8_000,
    input_noise=0.1,
)
"""What an earlier checkpoint (`--start`) is trained further with."""

SHARPER = replace(
    FURTHER,
    sharpen_steps=6_500,
    hard=(("star", 2.5), ("triangle", 1.5)),
    decoder_lr=5e-4,
    unet_steps=7_000,
    input_noise=0.07,
)
"""As FURTHER, with an autoencoder that is trained further first (`--sharpen`)."""

EDGED = replace(
    FURTHER,
    caches=(
        CachePlan((128, 128), 5_000),
        CachePlan((128, 128), 1_500, styled=True),
        CachePlan((96, 96), 1_000),
        CachePlan((192, 128), 500),
        CachePlan((128, 192), 500),
        CachePlan((160, 160), 500),
        CachePlan((192, 192), 400),
        CachePlan((128, 128), 8_000, edition=1),
    ),
    cache_shares=((0, (0.28, 0.12, 0.05, 0.04, 0.04, 0.04, 0.03, 0.40)),),
    unet_steps=4_600,
    lr=4e-4,
    decay_share=0.8,
    hard=(("star", 2.5), ("triangle", 1.5)),
    clear_dropout=0.35,
    edge_weight=4.0,
    input_noise=0.07,
    twins_from=10**9,
)
"""What a finished checkpoint's outlines, and its answers without a caption, are trained further
with (`--edges`)."""

CALIBRATED = replace(
    FURTHER,
    caches=EDGED.caches[:-1],
    cache_shares=((0, (0.66, 0.14, 0.05, 0.04, 0.04, 0.04, 0.03)),),
    unet_steps=1_500,
    batch=8,
    walkers=8,
    lr=6e-5,
    warmup=50,
    decay_share=1.0,
    glyph_share=0.5,
    caption_dropout=0.0,
    twins_from=10**9,
    hard=(("star", 2.5), ("triangle", 1.5)),
    teacher_guidance=((350, 2.75), (600, 7.0)),
    scales=(3.0, 7.0, 7.0, 7.0),
    guided_weight=0.3,
    ema=0.99,
    swap_share=0.15,
    save_every=100,
    export_every=200,
)
"""What a finished UNet's guidance is calibrated with (`--calibrate`); each picture counts twice,
with its caption and without."""
