"""Enlarging as A1111's Extras tab does it, for the methods that are no models.

Matched: ``scripts/postprocessing_upscale.py`` and ``modules/upscaler.py`` of A1111 1.10. Sides of
the result are rounded down to multiples of 8, upscaler 1 "None" leaves the picture as it is
whatever else is asked for, and cropping pads with black where the picture is smaller.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from PIL import Image

from webui.core.errors import InvalidRequest, TooLarge

MAX_PIXELS = 50_000_000
"""Of a picture that is made."""
METHODS = {"Lanczos": Image.Resampling.LANCZOS, "Nearest": Image.Resampling.NEAREST}
NONE = "None"
_MULTIPLE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Enlarging:
    """What is asked for: ``mode`` 0 enlarges ``factor`` times, 1 until ``width`` × ``height`` is
    filled, and then cuts off what is over (``crop``). ``second`` is laid over with the share
    ``visibility``."""

    first: str = NONE
    second: str = NONE
    visibility: float = 0.0
    mode: Literal[0, 1] = 0
    factor: float = 2.0
    width: int = 512
    height: int = 512
    crop: bool = True

    def check(self) -> None:
        """``InvalidRequest`` in A1111's words when there is no such upscaler."""
        for field, name in (("upscaler_1", self.first), ("upscaler_2", self.second)):
            if name not in (NONE, *METHODS):
                raise InvalidRequest(
                    f"could not find upscaler named {name[:100]}; there are: "
                    f"{', '.join((NONE, *METHODS))}.",
                    field=field,
                )

    def size(self, width: int, height: int) -> tuple[int, int]:
        """The size a picture of that size is enlarged to, before anything is cut off.

        ``TooLarge`` above 50 million pixels, here or once it is cropped.
        """
        factor = self.factor
        if self.mode == 1:
            factor = max(self.width / width, self.height / height)
        wide, high = _rounded(width * factor), _rounded(height * factor)
        cropped = self.width * self.height if self.mode == 1 and self.crop else 0
        if max(wide * high, cropped) > MAX_PIXELS:
            raise TooLarge(
                f"The enlarged picture would have {wide}×{high} pixels; the most is "
                f"{MAX_PIXELS // 1_000_000} million.",
                field="upscaling_resize" if self.mode == 0 else "upscaling_resize_w",
            )
        return wide, high


def enlarge(image: Image.Image, asked: Enlarging) -> tuple[Image.Image, dict[str, str]]:
    """The enlarged picture, and what A1111 notes about it: "Postprocess upscale by" and so on."""
    asked.check()
    if asked.first == NONE:
        return image, {}
    size = asked.size(*image.size)
    result = _resized(image, size, asked)
    notes = {"Postprocess upscaler": asked.first}
    if asked.second != NONE and asked.visibility > 0:
        other = _resized(image, size, asked, second=True)
        result = Image.blend(result, other, asked.visibility)
        notes["Postprocess upscaler 2"] = asked.second
    if asked.mode == 0:
        return result, {"Postprocess upscale by": f"{asked.factor:g}", **notes}
    notes = {"Postprocess upscale to": f"{asked.width}x{asked.height}", **notes}
    if asked.crop:
        notes["Postprocess crop to"] = f"{result.width}x{result.height}"
    return result, notes


def _resized(
    image: Image.Image, size: tuple[int, int], asked: Enlarging, *, second: bool = False
) -> Image.Image:
    method = METHODS[asked.second if second else asked.first]
    large = image.resize(size, method)
    return _cropped(large, asked.width, asked.height) if asked.mode == 1 and asked.crop else large


def _cropped(image: Image.Image, width: int, height: int) -> Image.Image:
    """The middle of a picture, on black where it does not reach."""
    place = Image.new(image.mode, (width, height))
    place.paste(image, (width // 2 - image.width // 2, height // 2 - image.height // 2))
    return place


def _rounded(side: float) -> int:
    return max(int(min(side, 1e9)) // _MULTIPLE * _MULTIPLE, _MULTIPLE)
