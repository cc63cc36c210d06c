"""Upscaling models as components: files of the ESRGAN family and others, read by spandrel.

spandrel tells the architecture from the names and shapes of the weights alone (ESRGAN and
Real-ESRGAN, its compact form, SwinIR, Swin2SR, HAT, DAT, ScuNET, SPAN, OmniSR and some thirty
more), so a file is all there is: no configuration, and no code of the file's own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor

from webui.core.errors import ModelError
from webui.core.models import ModelRef
from webui.core.upscalers import FAMILY
from webui.engine.denoise import is_out_of_memory
from webui.engine.families.base import Component, Role
from webui.engine.levels import NoiseLevels
from webui.engine.models import weights

_WRONG = (
    RuntimeError, KeyError, IndexError, ValueError, TypeError, AttributeError, AssertionError,
    ArithmeticError, NotImplementedError,
)  # fmt: skip
"""What building a model from weights that do not fit together raises."""


class UpscalingModel:
    """A loaded upscaling model; a ``families.base.Component``.

    ``scale`` is how many times larger its pictures are, ``whole`` whether it has to see all of a
    picture at once.
    """

    def __init__(self, descriptor: Any) -> None:
        from spandrel import ModelTiling

        self._descriptor = descriptor
        self.scale = int(descriptor.scale)
        self.whole = descriptor.tiling is ModelTiling.INTERNAL

    @property
    def nbytes(self) -> int:
        """Measured size of its weights."""
        return weights.nbytes(self._descriptor.model)

    def to(self, device: torch.device) -> None:
        """Move the weights."""
        self._descriptor.to(device)

    def __call__(self, pixels: Tensor) -> Tensor:
        """The enlarged picture, float32 [H * scale, W * scale, 3] on the CPU, 0..255.

        ``pixels`` are uint8 [H, W, 3], of any size: what the model needs more is mirrored.
        """
        model = self._descriptor
        x = pixels.permute(2, 0, 1)[None].to(model.device).to(model.dtype) / 255
        return model(x)[0].permute(1, 2, 0).float().mul(255).cpu()


class UpscalerFile:
    """An upscaling model's file; a ``families.base.Checkpoint`` with one part, "upscaler"."""

    def __init__(self, ref: ModelRef) -> None:
        self.ref = ref
        self._path = Path(ref.path)
        if not self._path.is_file():
            raise ModelError(f"The upscaler {ref.name!r} is not there any more.")
        self._count = weights.count(weights.read_shapes(self._path))

    def weights(self, role: Role) -> int:
        """How many parameters it has."""
        self._check(role)
        return self._count

    def load(
        self, role: Role, dtype: torch.dtype, device: torch.device, layout: torch.memory_format
    ) -> Component:
        """Read it, in float32 where it cannot compute in ``dtype``."""
        self._check(role)
        descriptor = described(dict(weights.read_tensors(self._path)), self.ref.name)
        model = descriptor.model
        if not (descriptor.supports_half or dtype is not torch.float16):
            dtype = torch.float32
        model.to(device, dtype).to(memory_format=layout)
        model.eval().requires_grad_(False)
        return UpscalingModel(descriptor)

    @property
    def levels(self) -> NoiseLevels:
        """It has none: ``ModelError``."""
        self._cannot_draw()

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int]:  # noqa: ARG002
        """It has none: ``ModelError``."""
        self._cannot_draw()

    def _check(self, role: Role) -> None:
        if role != "upscaler":
            self._cannot_draw()

    def _cannot_draw(self) -> NoReturn:
        raise ModelError(f"{self.ref.name!r} is an upscaler, which enlarges and does not draw.")


class UpscalerFamily:
    """Upscaling models; a ``families.base.Family``."""

    name = FAMILY

    def open(self, ref: ModelRef) -> UpscalerFile:
        """Read the file's header; ``ModelError`` if it cannot be used."""
        return UpscalerFile(ref)


def described(tensors: dict[str, Tensor], name: str) -> Any:
    """spandrel's description of the model with these weights; ``ModelError`` says what is wrong."""
    from spandrel import MAIN_REGISTRY, ImageModelDescriptor, UnsupportedModelError

    try:
        found = MAIN_REGISTRY.load(tensors)
    except UnsupportedModelError:
        raise ModelError(
            f"The upscaler {name!r} is of no kind that is known here; known are ESRGAN, "
            "Real-ESRGAN, SwinIR, HAT, DAT, ScuNET and their relatives."
        ) from None
    except _WRONG as error:
        if is_out_of_memory(error):
            raise
        text = " ".join(str(error).split())[:150]
        raise ModelError(
            f"The upscaler {name!r} is damaged, or of another kind than it seems: {text}."
        ) from None
    enlarges = isinstance(found, ImageModelDescriptor) and found.purpose != "FaceSR"
    if not enlarges or (found.input_channels, found.output_channels) != (3, 3):
        raise ModelError(
            f"The upscaler {name!r} ({found.architecture.name}) does not enlarge colour pictures."
        )
    return found
