"""One upscaling job in the worker: pictures enlarged one by one, nothing drawn."""

from __future__ import annotations

import io
import time
from contextlib import ExitStack
from typing import Literal, cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from webui.core.errors import InvalidRequest
from webui.core.messages import JobImage, JobPhase, JobSpec, JobStep
from webui.core.results import Pixels
from webui.core.upscale import Plan, Upscale, plan
from webui.core.upscalers import NONE, is_model
from webui.engine.pipelines.stages import Studio
from webui.engine.pipelines.waiting import Script, while_wanted
from webui.engine.upscalers.resize import blended, cropped
from webui.engine.upscalers.upscaling import Bench, upscaled

_QUIET_SECONDS = 0.1
"""At most so often are tiles reported, but for a picture's last."""


class Upscaling:
    """A job that enlarges; the worker advances its ``script`` turn by turn."""

    waits_for_images = False
    has_latents = False

    def __init__(self, spec: JobSpec, studio: Studio) -> None:
        self.spec = spec
        self._request = cast(Upscale, spec.request)
        self._studio = studio
        self._skipped = False
        self._told = 0.0
        self.interrupted = False

    def stop(self, how: Literal["interrupt", "skip"]) -> None:
        """End it, or give up the picture that is being enlarged."""
        self.interrupted = self.interrupted or how == "interrupt"
        self._skipped = how == "skip"

    def script(self) -> Script[None]:
        """The job's work in turns; raises what made it fail. Closing it gives the models back."""
        yield "turn"
        for index in range(self._request.count):
            self._skipped = False
            begun = time.perf_counter()
            made = yield from while_wanted(self._picture(index), lambda: self._skipped)
            if made is not None:
                seconds = time.perf_counter() - begun
                self._studio.emit(JobImage(self.spec.job_id, index, 0, _pixels(made), seconds))
            yield "turn"

    def _picture(self, index: int) -> Script[Tensor]:
        request = self._request
        pixels = read(self.spec.picture(request.images[index]), str(index + 1))
        if request.upscaler == NONE:
            return pixels
        high, wide, _ = pixels.shape
        aim = plan(request, wide, high)
        made = yield from self._enlarged(pixels, aim, index, 0)
        if request.has_second:
            second = yield from self._enlarged(pixels, aim, index, 1)
            made = blended(made, second, request.visibility)
        return made

    def _enlarged(self, pixels: Tensor, aim: Plan, index: int, which: int) -> Script[Tensor]:
        """A picture enlarged by one of the two upscalers, whose model is held meanwhile."""
        upscaler = self._request.models[which]
        halves = 2 if self._request.has_second else 1

        def tell(done: int, count: int) -> None:
            now, is_last = time.perf_counter(), done == count
            if is_last or now - self._told >= _QUIET_SECONDS:
                self._told = now
                self._say_step(which * count + done, halves * count, index)

        with ExitStack() as leases:
            bench = Bench(
                self._studio.manager,
                leases,
                self._request.tile,
                self._request.overlap,
                on_tile=tell,
                on_loading=self._say_loading,
            )
            made = yield from upscaled(pixels, upscaler, *aim.size, bench)
        if not is_model(upscaler):
            tell(1, 1)
        return cropped(made, *aim.crop) if aim.crop else made

    def _say_loading(self) -> None:
        self._studio.emit(JobPhase(self.spec.job_id, "Loading upscaler"))

    def _say_step(self, step: int, steps: int, index: int) -> None:
        self._studio.emit(JobStep(self.spec.job_id, step, steps, index, self._request.count))


def read(data: bytes, name: str) -> Tensor:
    """A kept picture's pixels, uint8 [H, W, 3]: its transparency is left out (as A1111's models
    do). ``InvalidRequest`` when it is damaged."""
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            values = np.array(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise InvalidRequest(f"Picture {name} is damaged; send it again.") from None
    return torch.from_numpy(values)


def _pixels(picture: Tensor) -> Pixels:
    height, width, _ = picture.shape
    return Pixels(width, height, picture.contiguous().numpy().tobytes())
