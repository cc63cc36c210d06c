"""The upscaling models there are: files found by name, told from their headers, never loaded."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from webui.catalog.header import read_header
from webui.catalog.identify import elsewhere
from webui.catalog.networks import files, networks
from webui.catalog.places import places
from webui.catalog.scan import PICKLES, SUFFIX
from webui.core.errors import EaselError, ErrorInfo, ModelError, NotFound, UnsafeFile, listed
from webui.core.models import ModelRef
from webui.core.upscalers import BUILT_IN, FAMILY, built_in

KIND = "upscalers"
USUAL_SCALE = 4
_NAMED_SCALE = re.compile(r"(?<!\d)([1248])x|x([1248])(?!\d)", re.IGNORECASE)
_REMEMBERED = 500

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class UpscalerFile:
    """A model file; ``scale`` is how many times larger its pictures are, as far as can be told."""

    ref: ModelRef
    scale: int


@dataclass(frozen=True, slots=True)
class Upscalers:
    """What one look found: files that may be used, and of the others name and reason."""

    files: tuple[UpscalerFile, ...] = ()
    problems: tuple[tuple[str, ErrorInfo], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All there is to choose from, the built-in methods first."""
        return (*BUILT_IN, *(file.ref.name for file in self.files))

    def find(self, name: str, *, field: str | None = None) -> ModelRef:
        """The upscaler of that name, in any case, with or without its suffix; "" means None.

        ``NotFound`` if there is none; a file that is there and cannot be used raises its own error.
        """
        known = built_in(name or BUILT_IN[0])
        if known is not None:
            return known
        wanted = name.strip().casefold()
        for file in self.files:
            if wanted in (file.ref.name.casefold(), file.ref.name.casefold() + SUFFIX):
                return file.ref
        for broken, info in self.problems:
            if wanted in (broken.casefold(), Path(broken).stem.casefold()):
                error = info.to_exception()
                error.field = field
                raise error
        raise NotFound(
            f"could not find upscaler named {name.strip()[:100]}; there are: {listed(self.names)}.",
            field=field,
        )


def find_upscalers(models_dir: Path, installation: str) -> Upscalers:
    """The files below our folder and an installation's; of two with one name the first counts."""
    found: list[UpscalerFile] = []
    problems: list[tuple[str, ErrorInfo]] = []
    for network in networks(models_dir, installation, KIND):
        try:
            if built_in(network.name):
                raise ModelError(f"{network.path.name!r} has a built-in method's name; rename it.")
            status = network.path.stat()
            file = _identified(str(network.path.absolute()), status.st_size, status.st_mtime_ns)
            found.append(file)
        except EaselError as error:
            problems.append((network.path.name, error.info()))
        except OSError:  # it has just been deleted
            continue
    names = {file.ref.name for file in found}
    for folder in places(models_dir, installation, KIND):
        pickles = (path for path in files(folder, tuple(PICKLES)) if path.stem not in names)
        problems += [(path.name, _pickle(path).info()) for path in pickles]
    return Upscalers(tuple(found), tuple(problems))


def scale_of(shapes: Shapes, name: str) -> int:
    """How many times larger a model's pictures are, from its weights' shapes.

    Known of ESRGAN, Real-ESRGAN, the compact form, and what ends in "upsample" as SwinIR, HAT and
    DAT do; else what the file's name says ("4x", "x2"), else 4, which A1111 says of any.
    """
    found = _compact(shapes) or _esrgan(shapes) or _shuffled(shapes)
    if found:
        return found
    named = _NAMED_SCALE.search(name)
    return int(named[1] or named[2]) if named else USUAL_SCALE


@lru_cache(maxsize=_REMEMBERED)
def _identified(path: str, size: int, changed: int) -> UpscalerFile:
    """A file, looked at again when it has changed; ``ModelError`` says what else it is."""
    file = Path(path)
    header = read_header(file, file.name)
    other = elsewhere(header.shapes, KIND)
    if other is not None:
        raise ModelError(f"{file.name!r} {other}")
    signature = f"{header.digest}\0{path}\0{size}\0{changed}"
    ref = ModelRef(
        name=file.name[: -len(SUFFIX)],
        path=path,
        layout="file",
        family=FAMILY,
        prediction="epsilon",
        native_size=0,
        digest=hashlib.sha256(signature.encode("utf-8", "replace")).hexdigest(),
    )
    return UpscalerFile(ref, scale_of(header.shapes, file.name))


def _pickle(path: Path) -> UnsafeFile:
    return UnsafeFile(
        f"{path.name!r} is a pickle, which can run code when it is read, so it is refused; get its "
        f".safetensors version, or make one with `webui convert-upscaler {path.name}`."
    )


def _compact(shapes: Shapes) -> int:
    """SRVGGNetCompact: the last layer has scale² values for each colour."""
    first = shapes.get("body.0.weight", ())
    if "body.1.weight" not in shapes or len(first) != 4:
        return 0
    last = max((n for k in shapes if (n := _number(k, "body.")) is not None), default=0)
    return _root(math.prod(shapes.get(f"body.{last}.bias", (0,))), first[1])


def _esrgan(shapes: Shapes) -> int:
    """RRDBNet, in the names of the first files (model.N) and of the later ones (conv_up1)."""
    if "model.0.weight" in shapes and "model.1.sub.0.RDB1.conv1.0.weight" in shapes:
        layers = max((n for k in shapes if (n := _number(k, "model.")) is not None), default=0) + 1
        doublings, first = (layers - 5) // 3, shapes["model.0.weight"]
    elif "conv_first.weight" in shapes and shapes.keys() & {
        "conv_body.weight",
        "trunk_conv.weight",
    }:
        doublings = sum(
            f"{n}{i}.weight" in shapes for n in ("conv_up", "upconv") for i in (1, 2, 3)
        )
        first = shapes["conv_first.weight"]
    else:
        return 0
    folded = {12: 2, 48: 4}.get(first[1] if len(first) == 4 else 3, 1)
    return max(2**doublings // folded, 1)


def _shuffled(shapes: Shapes) -> int:
    """Pixel shuffles one after another, each of which widens by its factor²."""
    scale = 1
    for number in (0, 2, 4):
        shape = shapes.get(f"upsample.{number}.weight", ())
        if len(shape) == 4:
            scale *= _root(shape[0], shape[1]) or _root(shape[0], 3) or 1
    return scale if scale > 1 else 0


def _root(whole: int, part: int) -> int:
    """The whole number whose square ``whole / part`` is; 0 if there is none."""
    root = math.isqrt(whole // part) if part else 0
    return root if root * root * part == whole else 0


def _number(key: str, start: str) -> int | None:
    digits = key.removeprefix(start).split(".", 1)[0] if key.startswith(start) else ""
    return int(digits) if digits.isdecimal() and len(digits) < 6 else None
