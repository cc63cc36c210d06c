"""Best of several: which candidates are drawn together, and which one is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from webui.core.draw_request import CANDIDATES_AT_ONCE
from webui.core.messages import JobImage
from webui.core.results import Pixels
from webui.engine.clip.judge import ClipJudge
from webui.engine.clip.scoring import cosines
from webui.prompt.plan import plain_text


def rounds(pictures: range, best_of: int) -> list[range]:
    """The numbers of the candidates for ``pictures``, as many in a range as are drawn at once.

    Picture ``i`` has the candidates ``i * best_of`` to ``i * best_of + best_of - 1``; a number is
    what seeds count by, so a single picture is its own candidate.
    """
    first, end = pictures.start * best_of, pictures.stop * best_of
    size = max(len(pictures), CANDIDATES_AT_ONCE) if best_of > 1 else len(pictures)
    return [range(start, min(start + size, end)) for start in range(first, end, size)]


def to_tensor(pixels: Pixels) -> Tensor:
    """A picture as uint8 [3, h, w]."""
    flat = torch.frombuffer(bytearray(pixels.data), dtype=torch.uint8)
    return flat.view(pixels.height, pixels.width, 3).permute(2, 0, 1).contiguous()


class Jury:
    """Says how well pictures fit one prompt."""

    def __init__(self, judge: ClipJudge, prompt: str) -> None:
        self._judge = judge
        self._text = judge.texts([plain_text(prompt)])

    def scores(self, pictures: Sequence[Pixels]) -> list[float]:
        """100 × the cosine of each picture and the prompt."""
        vectors = self._judge.images([to_tensor(pixels) for pixels in pictures])
        return (100 * cosines(vectors, self._text)[:, 0]).tolist()


@dataclass(slots=True)
class Selection:
    """The best candidate of each picture so far; of equals the first stays."""

    _best: dict[int, JobImage] = field(default_factory=dict[int, JobImage])

    def __bool__(self) -> bool:
        return bool(self._best)

    def offer(self, image: JobImage, score: float) -> None:
        """A candidate for the picture ``image.index`` and its score."""
        best = self._best.get(image.index)
        if best is None or best.clip_score is None or score > best.clip_score:
            self._best[image.index] = replace(image, clip_score=score)

    def take(self) -> list[JobImage]:
        """The best of each picture, in order; nothing is left."""
        chosen = [self._best[index] for index in sorted(self._best)]
        self._best.clear()
        return chosen
