"""One measuring job in the worker: pictures and texts compared, nothing drawn."""

from __future__ import annotations

import io
from contextlib import ExitStack
from typing import Literal, cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from webui.core.errors import InvalidRequest
from webui.core.measure import Measure, Picture
from webui.core.messages import JobPhase, JobScores, JobSpec, JobStep
from webui.engine.clip.judge import ClipJudge
from webui.engine.clip.scoring import cosines, ranking
from webui.engine.models.manager import NoRoom
from webui.engine.pipelines.stages import Studio
from webui.engine.pipelines.waiting import Script

_AT_ONCE = 8


class Measuring:
    """A job that compares; the worker advances its ``script`` turn by turn."""

    waits_for_images = False
    has_latents = False

    def __init__(self, spec: JobSpec, studio: Studio) -> None:
        self.spec = spec
        self._request = cast(Measure, spec.request)
        self._studio = studio
        self.interrupted = False

    def stop(self, how: Literal["interrupt", "skip"]) -> None:
        """End it; it has no batch that could be skipped."""
        self.interrupted = self.interrupted or how == "interrupt"

    def script(self) -> Script[None]:
        """The job's work in turns; raises what made it fail. Closing it gives the model back."""
        request = self._request
        with ExitStack() as leases:
            yield "turn"
            while (judge := self._lease(leases)) is None:
                yield "room"
            texts = judge.texts(request.texts)
            vectors: list[Tensor] = []
            for start in range(0, len(request.pictures), _AT_ONCE):
                if self.interrupted:
                    return
                some = request.pictures[start : start + _AT_ONCE]
                vectors.append(judge.images([read(picture) for picture in some]))
                self._say_step(start + len(some))
                yield "turn"
            self._answer(cosines(torch.cat(vectors), texts), judge.scale)

    def _lease(self, leases: ExitStack) -> ClipJudge | None:
        manager, ref = self._studio.manager, self.spec.model
        if not manager.is_loaded(ref, "clip"):
            self._studio.emit(JobPhase(self.spec.job_id, "Loading CLIP"))
        try:
            leased = leases.enter_context(manager.lease(ref, "clip"))
        except NoRoom:
            return None
        return cast(ClipJudge, leased.parts["clip"])

    def _answer(self, similarity: Tensor, scale: float) -> None:
        """Send the scores of [pictures, texts]: the one or the other is a single one."""
        request = self._request
        is_rank = request.task == "rank"
        names = [p.name for p in request.pictures] if is_rank else list(request.labels)
        line = similarity[:, 0] if is_rank else similarity[0]
        self._studio.emit(JobScores(self.spec.job_id, ranking(line, names, scale)))

    def _say_step(self, done: int) -> None:
        count = len(self._request.pictures)
        self._studio.emit(JobStep(self.spec.job_id, done, count, 0, 1))


def read(picture: Picture) -> Tensor:
    """A picture's pixels, uint8 [3, h, w]; ``InvalidRequest`` when it is damaged."""
    try:
        with Image.open(io.BytesIO(picture.data), formats=("PNG",)) as image:
            values = np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise InvalidRequest(f"Picture {picture.name} is damaged.") from None
    return torch.from_numpy(values.copy()).permute(2, 0, 1).contiguous()
