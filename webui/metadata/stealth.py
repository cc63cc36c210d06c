"""Parameters hidden in a picture's transparency, which survive where a file's texts do not.

The lowest bit of each pixel's alpha, column by column from the top left, spells "stealth_pnginfo"
or "stealth_pngcomp", then how many bits follow (32 bits, the highest first), then the text in UTF-8
or, for the second, in gzip. NovelAI and extensions of A1111 and Forge write it.
"""

from __future__ import annotations

import zlib

from PIL import Image

MAX_PIXELS = 50_000_000
"""Larger pictures are not decoded to look for a text."""
MAX_BYTES = 4_000_000
"""A hidden text longer than this, packed or not, is not read."""

_SIGNATURES = {b"stealth_pnginfo": False, b"stealth_pngcomp": True}
_START = 15
_LENGTH = 4
_GZIP = 31  # zlib's word for a gzip header with any window
_LOWEST = bytes(48 + (value & 1) for value in range(256))


def has_transparency(image: Image.Image) -> bool:
    """Whether it can hide a text: it has alpha, and is small enough to be decoded."""
    return image.mode in ("RGBA", "LA") and image.width * image.height <= MAX_PIXELS


def hidden_text(image: Image.Image) -> str | None:
    """The text hidden in a picture; None when there is none, or it is damaged or too long.

    Decodes the picture, whose errors are the caller's.
    """
    if not has_transparency(image):
        return None
    # Transposed, a column is a row, and the bits lie in their order.
    alpha = image.getchannel("A").transpose(Image.Transpose.TRANSPOSE).tobytes()
    packed = _SIGNATURES.get(_bytes(alpha, 0, _START))
    length = int.from_bytes(_bytes(alpha, _START, _LENGTH))
    if packed is None or length % 8 or length // 8 > MAX_BYTES:
        return None
    data = _bytes(alpha, _START + _LENGTH, length // 8)
    plain = _unpacked(data) if packed else data
    try:
        return plain.decode("utf-8") if plain else None
    except UnicodeDecodeError:
        return None


def _bytes(alpha: bytes, start: int, count: int) -> bytes:
    """``count`` bytes, eight values each; b"" where the picture is too small for them."""
    bits = alpha[8 * start : 8 * (start + count)].translate(_LOWEST)
    return int(bits, 2).to_bytes(count) if count and len(bits) == 8 * count else b""


def _unpacked(data: bytes) -> bytes:
    unpacker = zlib.decompressobj(_GZIP)
    try:
        plain = unpacker.decompress(data, MAX_BYTES)
    except zlib.error:
        return b""
    return plain if unpacker.eof else b""
