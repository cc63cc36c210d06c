"""What img2img starts from: the picture and its mask, made ready once for all of a job."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from webui.core.errors import InvalidRequest
from webui.core.requests import MAX_PIXELS, Img2Img
from webui.core.results import Pixels
from webui.core.sizes import whole
from webui.engine import inpainting
from webui.engine.inpainting import Box, Mask
from webui.engine.resizing import LATENT, Picture, filled, resized, stretched

ORIGINAL, FILL = "original", "fill"
NOISE, NOTHING = "latent noise", "latent nothing"


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A picture [H, W, 3] at the size it is encoded at, and how what was drawn is put back.

    ``mask`` [h, w] says where it is drawn over, at the size of ``picture`` (None: everywhere).
    ``below`` is what is shown around what was drawn, ``cover`` where it is not, and ``box`` the
    part of it that was drawn (None: all).
    """

    picture: Picture
    mask: Mask | None = None
    below: Picture | None = None
    cover: Mask | None = None
    box: Box | None = None

    def finished(self, drawn: Pixels) -> Pixels:
        """A drawn picture with what was not masked as it was."""
        if self.below is None or self.cover is None:
            return drawn
        pixels = np.frombuffer(drawn.data, np.uint8).reshape(drawn.height, drawn.width, 3)
        if self.box is None:
            return to_pixels(inpainting.overlaid(pixels, self.below, self.cover))
        return to_pixels(inpainting.put_back(pixels, self.box, self.below, self.cover))


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """A source encoded: ``latents`` [C, h, w], and its mask in latents [1, h, w] (or None)."""

    source: Source
    latents: Tensor
    mask: Tensor | None

    @classmethod
    def of(cls, source: Source, encoded: Tensor, shape: tuple[int, int, int]) -> Drawn:
        """``encoded`` [C, h', w'] interpolated to ``shape`` where it is larger or smaller."""
        latents = encoded
        if tuple(encoded.shape[1:]) != shape[1:]:
            latents = F.interpolate(encoded[None], size=shape[1:], mode="bilinear")[0]
        if source.mask is None:
            return cls(source, latents, None)
        mask = inpainting.latent_mask(source.mask, shape[2], shape[1])
        return cls(source, latents, torch.from_numpy(mask)[None].to(latents.device))

    def finished(self, drawn: Pixels) -> Pixels:
        """A drawn picture with what was not masked as it was."""
        return self.source.finished(drawn)


def prepare(request: Img2Img, picture: Callable[[str], bytes], size: tuple[int, int]) -> Source:
    """The source of a request for pictures of ``size`` (width, height); ``picture`` gives the
    files. Where nothing is masked all stays as it is; of that there is no part to draw alone, so
    that "Only masked" draws over all of it then, as in A1111. ``InvalidRequest`` when there is no
    picture."""
    if not request.init_image:
        raise InvalidRequest("There is no picture to start from; choose one.", field="init_image")
    image = inpainting.picture_of(picture(request.init_image))
    if not request.mask:
        return Source(_at_size(image, request, size))
    rows, columns = image.shape[:2]
    mask = inpainting.fitted(inpainting.mask_of(picture(request.mask)), columns, rows)
    if request.mask_mode == "Inpaint not masked":
        mask = 255 - mask
    mask = inpainting.softened(mask, request.mask_blur)
    only_masked = request.inpaint_area == "Only masked"
    source = (_part if only_masked else _all)(image, mask, request, size)
    if request.masked_content == ORIGINAL or source.mask is None:
        return source
    return replace(source, picture=inpainting.without_masked(source.picture, source.mask))


def starting_latents(
    request: Img2Img, encoded: Tensor, mask: Tensor | None, noise: Callable[[], Tensor]
) -> Tensor:
    """The latents [C, h, w] a picture starts from: the encoded picture's, under the mask
    [1, h, w] noise or nothing where that is asked for; ``noise`` draws the seed's own."""
    if mask is None or request.masked_content not in (NOISE, NOTHING):
        return encoded
    kept = encoded * (1 - mask)
    return kept + noise() * mask if request.masked_content == NOISE else kept


def to_tensor(picture: Picture) -> Tensor:
    """uint8 [H, W, 3]."""
    return torch.from_numpy(np.array(picture))


def to_pixels(picture: Picture) -> Pixels:
    """The picture as it is sent to the server."""
    return Pixels(picture.shape[1], picture.shape[0], np.ascontiguousarray(picture).tobytes())


def _at_size(image: Picture, request: Img2Img, size: tuple[int, int]) -> Picture:
    """The picture that is encoded; one that is enlarged as latents keeps its size nearly,
    up to as many pixels as can be drawn."""
    if request.resize_mode != LATENT:
        return resized(image, request.resize_mode, *size)
    rows, columns = image.shape[:2]
    share = min(1.0, math.sqrt(MAX_PIXELS / (rows * columns)))
    return stretched(image, whole(int(columns * share)), whole(int(rows * share)))


def _all(image: Picture, mask: Mask, request: Img2Img, size: tuple[int, int]) -> Source:
    """The whole picture is drawn; around the mask it stays as it is, but for its size."""
    mode = request.resize_mode
    picture = resized(image, mode, *size)
    around = resized(np.dstack([mask] * 3), mode, *size)[..., 0]
    cover = np.clip(around.astype(np.int32) * 2, 0, 255).astype(np.uint8)
    return Source(picture, around, picture, cover)


def _part(image: Picture, mask: Mask, request: Img2Img, size: tuple[int, int]) -> Source:
    """The part around the mask is drawn, and put back into the picture as it is; without a part
    the whole picture is drawn."""
    box = inpainting.masked_box(mask, request.masked_padding)
    if box is None:
        return Source(_at_size(image, request, size))
    box = inpainting.widened(box, size, (image.shape[1], image.shape[0]))
    part, around = box.of(image), np.dstack([box.of(mask)] * 3)
    picture, covered = filled(part, *size), filled(around, *size)[..., 0]
    return Source(picture, covered, image, mask, box)
