"""What holds at which step: a prompt's texts over the steps, encoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from webui.engine.evaluation import Conditioning, ConditioningSource
from webui.prompt.schedules import Pieces, piece_at


@dataclass(frozen=True, slots=True, eq=False)
class Scheduled:
    """A ``ConditioningSource`` that changes: ``conds[i]`` holds until step ``ends[i]``.

    ``counted`` are the steps that are counted, where that is more than are taken (img2img takes
    the first so many, as A1111 counts); 0: as many as are taken.
    """

    ends: tuple[int, ...]
    conds: tuple[Conditioning, ...]
    counted: int = 0

    def at(self, step: int, steps: int) -> Conditioning:
        """The conditioning for step ``step`` (0-based) of ``steps``.

        The prompt's steps are the last of ``ends``; of a sampler that has more or fewer noise
        levels, each counts as the share of the way that it is.
        """
        steps = max(self.counted, steps)
        return self.conds[piece_at(self.ends, step * self.ends[-1] // steps)]


def source_of(
    pieces: Pieces, conds: Mapping[str, Conditioning], counted: int = 0
) -> ConditioningSource:
    """The texts of a prompt as what ``conds`` has for them; a single text needs no schedule.

    ``counted`` as :class:`Scheduled` has it.
    """
    if len({piece.text for piece in pieces}) == 1:
        return conds[pieces[0].text]
    return Scheduled(
        tuple(piece.end for piece in pieces), tuple(conds[piece.text] for piece in pieces), counted
    )
