"""The request that enlarges pictures, and the sizes it means: pure functions, as A1111's Extras.

Matched: ``scripts/postprocessing_upscale.py`` and ``modules/upscaler.py`` of A1111 1.10. Sides of
the result are rounded down to multiples of 8, upscaler 1 "None" leaves a picture as it is whatever
else is asked for, and cropping pads with black where the picture is smaller.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, cast

from webui.core import params
from webui.core.errors import InvalidRequest, TooLarge
from webui.core.models import ModelRef
from webui.core.params import Param
from webui.core.upscalers import LANCZOS, NONE, TILE, TILE_OVERLAP

MAX_PICTURES = 100
MAX_PIXELS = 50_000_000
"""Of one picture that is made."""
_MULTIPLE = 8
_MAX_SIDE = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Upscale:
    """Enlarge pictures.

    ``images`` are ids of kept pictures (:mod:`webui.library.inputs`). With ``width`` or ``height``
    they are enlarged until that is filled, else ``scale`` times. The queue fills in what follows:
    ``models`` are the upscalers, the second only where it is used; ``sizes`` those of the pictures;
    ``tile`` and ``overlap`` how a model goes through them (see ``engine.upscalers``). Checked on
    construction; a bad value raises ``InvalidRequest``.
    """

    upscaler: Annotated[
        str,
        Param(
            label="Upscaler 1",
            control="choice",
            choices="upscalers",
            max_chars=500,
            a1111="upscaler_1",
            help="What enlarges: a method, or a model of models/upscalers.",
        ),
    ] = LANCZOS
    upscaler_2: Annotated[
        str,
        Param(
            label="Upscaler 2",
            control="choice",
            choices="upscalers",
            max_chars=500,
            a1111="upscaler_2",
            help="A second one, whose picture is laid over the first's.",
        ),
    ] = NONE
    visibility: Annotated[
        float,
        Param(
            label="Upscaler 2 visibility",
            control="slider",
            minimum=0.0,
            maximum=1.0,
            step=0.01,
            a1111="extras_upscaler_2_visibility",
            help="How much of the second is seen: 0 none, 1 nothing else.",
        ),
    ] = 0.0
    scale: Annotated[
        float,
        Param(
            label="Scale by",
            control="slider",
            minimum=0.01,
            maximum=64.0,
            step=0.05,
            a1111="upscaling_resize",
            help="How many times larger.",
        ),
    ] = 4.0
    max_side: Annotated[
        int,
        Param(
            label="Max side length",
            control="number",
            minimum=0,
            maximum=_MAX_SIDE,
            step=8,
            help="In pixels: what would become larger is made this large. 0 is no limit.",
        ),
    ] = 0
    width: Annotated[
        int | None,
        Param(
            label="Width",
            control="number",
            minimum=1,
            maximum=_MAX_SIDE,
            step=8,
            a1111="upscaling_resize_w",
            help="In pixels.",
        ),
    ] = None
    height: Annotated[
        int | None,
        Param(
            label="Height",
            control="number",
            minimum=1,
            maximum=_MAX_SIDE,
            step=8,
            a1111="upscaling_resize_h",
            help="In pixels.",
        ),
    ] = None
    crop: Annotated[
        bool,
        Param(
            label="Crop to fit",
            control="checkbox",
            a1111="upscaling_crop",
            help="Cut off what goes beyond width and height.",
        ),
    ] = True
    images: tuple[str, ...] = ()
    models: tuple[ModelRef, ...] = ()
    sizes: tuple[tuple[int, int], ...] = ()
    tile: int = TILE
    overlap: int = TILE_OVERLAP

    def __post_init__(self) -> None:
        params.check_all(self)
        if not 1 <= len(self.images) <= MAX_PICTURES:
            raise InvalidRequest(
                f"There are {len(self.images)} pictures; give 1 to {MAX_PICTURES}.", field="images"
            )

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Upscale:
        """A request from what ``dataclasses.asdict`` made of one, as the journal keeps it."""
        plain = dict(values)
        plain["images"] = tuple(plain["images"])
        plain["models"] = tuple(ModelRef.from_mapping(one) for one in plain["models"])
        plain["sizes"] = tuple((width, height) for width, height in plain["sizes"])
        return cls(**plain)

    @classmethod
    def asked(cls, values: Mapping[str, Any]) -> Upscale:
        """A request from what a client sends: ``images`` and the declared fields, no others."""
        plain = dict(values)
        images = cast("Sequence[object]", plain.pop("images", ()))
        if not isinstance(images, (list, tuple)) or not all(isinstance(i, str) for i in images):
            raise InvalidRequest("images is a list of ids of pictures.", field="images")
        names = [f.name for f in params.fields_of(cls)]
        for name in plain:
            if name not in names:
                raise InvalidRequest(
                    f"There is no field {name[:60]!r}; the fields are {', '.join(names)}, images.",
                    field=name[:60],
                )
        return cls(**plain, images=tuple(cast("Sequence[str]", images)))

    @property
    def inputs(self) -> tuple[str, ...]:
        """The ids of the pictures it starts from, each once."""
        return tuple(dict.fromkeys(self.images))

    @property
    def count(self) -> int:
        """How many pictures there are."""
        return len(self.images)

    @property
    def batch_size(self) -> int:
        """They are enlarged one by one."""
        return 1

    @property
    def prompt(self) -> str:
        """It has none."""
        return ""

    @property
    def summary(self) -> str:
        """What it does, in no language: its upscalers, the first picture's size before and after,
        how many others there are."""
        second = (self.upscaler_2,) if self.has_second else ()
        text = " + ".join((self.upscaler, *second))
        if self.sizes:
            (width, height), result = self.sizes[0], plan(self, *self.sizes[0]).result
            text += f": {width}×{height} → {result[0]}×{result[1]}"
        return f"{text} (+{self.count - 1})" if self.count > 1 else text

    @property
    def has_second(self) -> bool:
        """Whether upscaler 2 is used."""
        return self.upscaler_2 != NONE and self.visibility > 0

    @property
    def pixels(self) -> int:
        """How many pixels all pictures that are made have, once the queue knows their sizes."""
        return sum(w * h for size in self.sizes for w, h in [plan(self, *size).result])


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of one picture: enlarged to ``size``, then cut to ``crop`` where that is given.

    ``notes`` are A1111's infotext keys for it.
    """

    size: tuple[int, int]
    crop: tuple[int, int] | None
    notes: tuple[tuple[str, str], ...]

    @property
    def result(self) -> tuple[int, int]:
        """Width and height in the end."""
        return self.crop or self.size


def plan(request: Upscale, width: int, height: int) -> Plan:
    """What the request means for a picture of that size; ``TooLarge`` above 50 million pixels."""
    if request.upscaler == NONE:
        return Plan((width, height), None, ())
    factor, notes = _factor(request, width, height)
    size = _rounded(width * factor), _rounded(height * factor)
    crop = None
    if request.crop and request.width and request.height:
        crop = request.width, request.height
    for wide, high in (size, crop or size):
        if wide * high > MAX_PIXELS:
            raise TooLarge(
                f"The enlarged picture would have {wide}×{high} pixels; the most is "
                f"{MAX_PIXELS // 1_000_000} million.",
                field="width" if request.width or request.height else "scale",
            )
    if crop:
        notes.append(("Postprocess crop to", f"{crop[0]}x{crop[1]}"))
    notes.append(("Postprocess upscaler", request.upscaler))
    if request.has_second:
        notes.append(("Postprocess upscaler 2", request.upscaler_2))
    return Plan(size, crop, tuple(notes))


def _factor(request: Upscale, width: int, height: int) -> tuple[float, list[tuple[str, str]]]:
    """How many times larger the picture becomes, and how A1111 notes it."""
    if request.width or request.height:
        factor = max((request.width or 1) / width, (request.height or 1) / height)
        wide = request.width or _rounded(width * factor)
        high = request.height or _rounded(height * factor)
        return factor, [("Postprocess upscale to", f"{wide}x{high}")]
    notes = [("Postprocess upscale by", f"{request.scale:g}")]
    side = max(width, height)
    if not request.max_side or side * request.scale <= request.max_side:
        return request.scale, notes
    return request.max_side / side, [*notes, ("Max side length", str(request.max_side))]


def _rounded(side: float) -> int:
    """Rounded down to a multiple of 8; what was a whole number before it was divided stays one."""
    return max(int(min(side + 1e-6, 1e9)) // _MULTIPLE * _MULTIPLE, _MULTIPLE)
