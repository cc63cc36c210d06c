"""What a model family offers the engine. Nobody outside a family's file knows its name."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from webui.core.models import ModelRef
from webui.engine.evaluation import Denoiser
from webui.engine.levels import NoiseLevels

Role = Literal["text", "denoiser", "decoder", "preview", "clip", "upscaler"]


class Component(Protocol):
    """A part of a checkpoint that is loaded, moved and dropped by itself."""

    @property
    def nbytes(self) -> int:
        """Measured size of its weights."""
        ...

    def to(self, device: torch.device) -> None:
        """Move the weights."""
        ...


class Patchable(Protocol):
    """A part whose weights LoRAs change."""

    @property
    def network(self) -> nn.Module:
        """The module that has the weights, by the names of diffusers and transformers."""
        ...


class TextEncoder(Component, Patchable, Protocol):
    """Text as tokens, tokens as embeddings.

    ``start``, ``end``, ``pad`` and ``comma`` are token ids (``comma`` None if there is no such
    token); ``length`` is how many tokens one chunk has with ``start`` and ``end`` (77 for CLIP),
    ``width`` D of its tokens' embeddings.
    """

    @property
    def start(self) -> int: ...

    @property
    def end(self) -> int: ...

    @property
    def pad(self) -> int: ...

    @property
    def comma(self) -> int | None: ...

    @property
    def length(self) -> int: ...

    @property
    def width(self) -> int: ...

    def tokenize(self, text: str) -> list[int]:
        """Token ids without start and end, however many."""
        ...

    def encode(
        self, chunks: Sequence[Sequence[int]], clip_skip: int, vectors: Tensor | None = None
    ) -> Tensor:
        """Embeddings [N, length, D] float32 of ``chunks`` [N, length].

        A negative token -1 - k stands for ``vectors[k]`` [K, D]: a textual inversion's, in the
        place of a token's embedding.

        ``clip_skip`` counts as in A1111: 1 takes the last layer's output, 2 the one before it.
        ``InvalidRequest`` if the encoder has fewer layers.
        """
        ...


class SeamlessDenoiser(Denoiser, Protocol):
    """A denoiser that can take opposite edges for neighbours."""

    def with_levels(self, levels: NoiseLevels) -> SeamlessDenoiser: ...

    def seamless(self) -> AbstractContextManager[None]:
        """Within the block, opposite edges of latents are neighbours; afterwards all is as it was.

        Step loop and pipelines go through ``engine.tiling``, which keeps tiled and other images
        out of one batch.
        """
        ...


class LoadedDenoiser(Component, Patchable, SeamlessDenoiser, Protocol):
    """A denoiser whose weights can be moved."""


class Decodes(Protocol):
    """What turns latents into pictures."""

    def decode(self, latents: Tensor) -> Tensor:
        """Pictures, uint8 [B, H, W, 3] on the CPU, from latents [B, C, h, w] on any device."""
        ...


class Encodes(Decodes, Protocol):
    """What turns pictures into latents, too."""

    def encode(self, images: Tensor) -> Tensor:
        """Latents [B, C, h, w] float32 on its device, from pictures uint8 [B, H, W, 3]."""
        ...


class SizedDecodes(Decodes, Protocol):
    """What turns latents into pictures, and how much work that is."""

    @property
    def weights(self) -> int:
        """How many parameters it has."""
        ...


class Decoder(Component, SizedDecodes, Encodes, Protocol):
    """The part of a checkpoint that does so."""

    def seamless(self) -> AbstractContextManager[None]:
        """As ``SeamlessDenoiser.seamless``, for what is decoded."""
        ...


class Checkpoint(Protocol):
    """A checkpoint whose headers and configurations are read, but no weights."""

    @property
    def ref(self) -> ModelRef: ...

    @property
    def levels(self) -> NoiseLevels: ...

    def weights(self, role: Role) -> int:
        """How many parameters that part has; 0 if the checkpoint has no such part."""
        ...

    def load(
        self, role: Role, dtype: torch.dtype, device: torch.device, layout: torch.memory_format
    ) -> Component:
        """Read that part: a :class:`TextEncoder`, :class:`LoadedDenoiser` or :class:`Decoder`."""
        ...

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int]:
        """(C, h, w) of the latents of a picture."""
        ...


class Family(Protocol):
    """One way of building image models."""

    @property
    def name(self) -> str: ...

    def open(self, ref: ModelRef) -> Checkpoint:
        """Read what the checkpoint says about itself; ``ModelError`` if it cannot be used."""
        ...
