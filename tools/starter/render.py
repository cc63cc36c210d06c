"""Scenes to pixels."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from tools.starter.backgrounds import paint_background
from tools.starter.glyphs import GLYPHS, glyph_layer
from tools.starter.palette import PALETTE
from tools.starter.scene import SHAPES, Scene, Thing, draw_scene
from tools.starter.shapes import shape_coverage

Array = np.ndarray
Frame = tuple[int, int]

PIXEL_ART_GRID = 32
"""Blocks along the shorter side of a pixel-art picture."""
LINE = 0.028
"""Width of an outline, in shorter sides."""
INK = (25, 25, 28)


def layer(thing: Thing, frame: Frame) -> Array:
    """The object alone: premultiplied float [height, width, 4], 0..255."""
    side = min(frame)
    centre = (thing.x * frame[0], thing.y * frame[1])
    if thing.what in GLYPHS:
        return glyph_layer(thing.what, centre, thing.radius * side, frame)
    mask = shape_coverage(thing.what, centre, thing.radius * side, thing.angle, frame)
    paint = np.array([*PALETTE[thing.colour], 255], np.float32)
    return (mask[..., None] * paint).astype(np.float32)


def lay_over(canvas: Array, top: Array) -> Array:
    """canvas [h, w, 3] with a premultiplied layer [h, w, 4] on it."""
    return canvas * (1 - top[..., 3:] / 255) + top[..., :3]


def blurred(mask: Array, radius: float) -> Array:
    """mask [h, w] 0..1, softened."""
    picture = Image.fromarray(np.round(mask * 255).astype(np.uint8))
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(radius)), np.float32) / 255


def contour(mask: Array, width: float) -> Array:
    """1 within about `width` / 2 pixels of the edge of mask [h, w], falling to 0."""
    soft = blurred(mask, width * 0.6)
    return np.clip(2.4 * (1 - np.abs(2 * soft - 1)) - 0.5, 0, 1)


def outlined(thing: Thing, frame: Frame) -> Array:
    """The object as a line drawing: contour in its colour, or in ink with a glyph's inner lines."""
    full = layer(thing, frame)
    mask = full[..., 3] / 255
    width = LINE * min(frame)
    line = contour(mask, width)
    if thing.what in SHAPES:
        colour = np.asarray(PALETTE[thing.colour], np.float32)
        return np.concatenate([line[..., None] * colour, 255 * line[..., None]], axis=-1)
    gray = full[..., :3].mean(axis=-1) / np.maximum(mask, 0.2)
    inner = np.hypot(*np.gradient(blurred(np.clip(gray / 255, 0, 1), width * 0.3)))
    line = np.maximum(line, np.clip(inner * 9 - 0.25, 0, 1) * (mask > 0.9))
    white = np.full((*mask.shape, 3), 250, np.float32)
    filled = white + line[..., None] * (np.asarray(INK, np.float32) - white)
    cover = np.maximum(mask, line)[..., None]
    return np.concatenate([filled * cover, 255 * cover], axis=-1)


def smooth_noise(rng: np.random.Generator, frame: Frame, cells: int) -> Array:
    """Noise with about `cells` blots along the shorter side: [height, width], -1..1."""
    side = min(frame)
    columns, rows = (max(2, round(cells * length / side)) for length in frame)
    coarse = Image.fromarray(rng.uniform(-1, 1, (rows + 1, columns + 1)).astype(np.float32))
    return np.asarray(coarse.resize(frame, Image.Resampling.BICUBIC), np.float32)


def washed(canvas: Array, rng: np.random.Generator) -> Array:
    """Colours let down with water: paler, blotted in patches."""
    frame = (canvas.shape[1], canvas.shape[0])
    strength = 0.72 + 0.16 * smooth_noise(rng, frame, 6)[..., None]
    return 252 - (252 - canvas) * np.clip(strength, 0.35, 1)


def watercolour(scene: Scene, rng: np.random.Generator, frame: Frame) -> Array:
    """A paler ground, objects with a wavering edge and a darker rim where the paint dried."""
    canvas = washed(paint_background(scene.background, rng, frame), rng)
    side = min(frame)
    rows, columns = np.indices((frame[1], frame[0]))
    for thing in scene.things:
        full = layer(thing, frame)
        shift = 0.018 * side * np.stack([smooth_noise(rng, frame, 9) for _ in range(2)])
        y = np.clip(np.round(rows + shift[0]), 0, frame[1] - 1).astype(int)
        x = np.clip(np.round(columns + shift[1]), 0, frame[0] - 1).astype(int)
        full = full[y, x]
        mask = blurred(full[..., 3] / 255, 0.006 * side)[..., None]
        colour = full[..., :3] / np.maximum(full[..., 3:] / 255, 1e-3)
        colour = np.where(full[..., 3:] > 30, colour, canvas)
        rim = contour(mask[..., 0], 0.03 * side)[..., None] * 0.22
        paint = washed(colour, rng) * (1 - rim)
        canvas = canvas + mask * (paint - canvas)
    return canvas


def render_frame(scene: Scene, frame: Frame) -> Array:
    """The picture of a scene: uint8 [height, width, 3]; frame is (width, height)."""
    rng = np.random.default_rng(scene.texture)
    if scene.style == "watercolour":
        canvas = watercolour(scene, rng, frame)
    elif scene.style == "pixel art":
        canvas = pixel_art(scene, rng, frame)
    else:
        canvas = paint_background(scene.background, rng, frame)
        draw = outlined if scene.style == "outline" else layer
        for thing in scene.things:
            canvas = lay_over(canvas, draw(thing, frame))
    return np.clip(np.round(canvas), 0, 255).astype(np.uint8)


def pixel_art(scene: Scene, rng: np.random.Generator, frame: Frame) -> Array:
    """Drawn on a coarse grid without soft edges, each cell one block."""
    side = min(frame)
    columns, rows = (max(1, round(PIXEL_ART_GRID * length / side)) for length in frame)
    canvas = paint_background(scene.background, rng, (columns, rows))
    for thing in scene.things:
        top = layer(thing, (columns, rows))
        solid = top[..., 3] > 127
        colour = top[..., :3] / np.maximum(top[..., 3:] / 255, 1e-3)
        canvas = np.where(solid[..., None], np.round(colour / 36) * 36, canvas)
    small = Image.fromarray(np.clip(np.round(canvas), 0, 255).astype(np.uint8))
    return np.asarray(small.resize(frame, Image.Resampling.NEAREST), np.float32)


def render(scene: Scene, size: int) -> Array:
    """The square picture of a scene: uint8 [size, size, 3]."""
    return render_frame(scene, (size, size))


def random_blend(rng: np.random.Generator, frame: Frame) -> Array:
    """A linear blend of two random colours in a random direction: float [h, w, 3], 0..255."""
    x, y = np.meshgrid(*((np.arange(n, dtype=np.float32) + 0.5) / n for n in frame))
    turn = rng.uniform(0, 2 * np.pi)
    along = np.clip(0.5 + (x - 0.5) * np.cos(turn) + (y - 0.5) * np.sin(turn), 0, 1)[..., None]
    first, second = rng.uniform(0, 255, (2, 3))
    return (first + along * (second - first)).astype(np.float32)


def render_varied(rng: np.random.Generator, size: int, ordinary: float = 0.7) -> Array:
    """A training picture for the autoencoder: uint8 [size, size, 3].

    Mostly a window of an ordinary scene of about 128 px; else a heap of objects in any colour,
    turned, on a blend, sometimes grainy, so that it meets more than the scenes show.
    """
    if rng.random() < ordinary:
        side = int(rng.choice((size, 96, 128, 128, 128, 160)))
        picture = render(draw_scene(rng), side)
        top, left = (int(v) for v in rng.integers(0, side - size + 1, 2))
        return picture[top : top + size, left : left + size]
    frame = (size, size)
    canvas = random_blend(rng, frame)
    for _ in range(rng.integers(1, 6)):
        centre = tuple(rng.uniform(0, size, 2))
        radius = rng.uniform(0.08, 0.6) * size
        if rng.random() < 0.5:
            names = tuple(GLYPHS)
            top = glyph_layer(names[int(rng.integers(len(names)))], centre, radius, frame)
            canvas = lay_over(canvas, top)
            continue
        shape = SHAPES[int(rng.integers(len(SHAPES)))]
        mask = shape_coverage(shape, centre, radius, rng.uniform(0, 360), frame)
        colour = random_blend(rng, frame) if rng.random() < 0.3 else rng.uniform(0, 255, 3)
        canvas = canvas + mask[..., None] * (colour - canvas)
    if rng.random() < 0.2:
        canvas = canvas + rng.normal(0, rng.uniform(2, 12), canvas.shape)
    return np.clip(np.round(canvas), 0, 255).astype(np.uint8)
