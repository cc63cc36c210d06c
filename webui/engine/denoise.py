"""The step loop: gathers what all live samplers ask for and evaluates it in batches.

This is the one point where prompt schedules, progress, previews, interrupt and skip act. The loop
is driven by one thread; its callbacks run in that thread, between forward passes, and may call
``add`` and ``stop``.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from webui.core.errors import EaselError, OutOfMemory
from webui.engine.batching import Batch, Batching, Waiting, next_batch, smaller
from webui.engine.evaluation import (
    Conditioning,
    Evaluation,
    Guide,
    Guiding,
    SamplerFunction,
    Sampling,
)

NOT_A_NUMBER = (
    "The model produced invalid numbers (NaN) instead of a picture; "
    "try another checkpoint, a lower CFG scale, or computing in float32."
)

_KEPT_STACKS = 8


def _silent(step: int, steps: int, denoised: Tensor) -> None:
    """Report progress to nobody."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ImageRun:
    """One image to draw: what to run, and whom to tell.

    Parts of one job ("job/part") count as that job and share its forward passes. ``x`` [C, h, w]
    are the latents at ``sigmas[0]``; ``sigmas`` [steps + 1] descending, float32 on the CPU;
    ``noise`` draws the image's next fresh noise. ``on_progress(step, steps, denoised)`` is called
    each time one more step is done (monotone, the last time with step = steps) with the
    newest denoised latents [C, h, w], to preview if one likes; ``on_done(x)`` gets the final
    latents; ``on_error(error)`` what ended this image instead (an error raised by the other two
    callbacks too); the job's other images go on unless ``stop`` is called. A stopped run is told
    nothing.
    """

    job_id: str
    index: int
    sampler: SamplerFunction
    x: Tensor
    sigmas: Tensor
    guide: Guide
    noise: Callable[[], Tensor]
    on_done: Callable[[Tensor], None]
    on_error: Callable[[Exception], None]
    on_progress: Callable[[int, int, Tensor], None] = _silent

    @property
    def steps(self) -> int:
        """How many steps the schedule has."""
        return len(self.sigmas) - 1


class StepLoop:
    """Draws many images at once, one grouped forward pass per ``tick``.

    ``batching`` "exact" never mixes jobs in one pass, "shared" mixes them and pads. ``on_forward``
    is told the rows of each pass (padding included) and the jobs in it. ``free_memory`` is called
    when the device ran out of memory; if it returns True the same batch is tried once more, else
    (or if that fails too) half of it. The smaller size is remembered for that batch key.
    """

    def __init__(
        self,
        batching: Batching = "exact",
        *,
        on_forward: Callable[[int, frozenset[str]], None] | None = None,
        free_memory: Callable[[], bool] | None = None,
    ) -> None:
        self.batching: Batching = batching
        self.forwards = 0
        self._on_forward = on_forward
        self._free_memory = free_memory or (lambda: False)
        self._live: list[_Live] = []
        self._pending: list[_Ask] = []
        self._turn = 0
        self._limits: dict[Hashable, int] = {}
        self._counts: dict[str, int] = {}
        self._stacks: dict[tuple[Conditioning, ...], Tensor] = {}
        self._made_room = False

    @property
    def idle(self) -> bool:
        """Whether nothing is being drawn."""
        return not self._live

    def add(self, run: ImageRun) -> None:
        """Let an image join; its first evaluation is part of a coming ``tick``."""
        live = _Live(run)
        self._live.append(live)
        with torch.inference_mode():
            self._advance(live, None)

    def tick(self) -> bool:
        """Do one forward pass and advance the samplers it completes; False if there is nothing."""
        batch = next_batch([ask.waiting for ask in self._pending], self.batching, self._limits)
        if batch is None:
            return False
        self._turn += 1
        asks = [self._pending[i] for i in batch.members]
        with torch.inference_mode():
            results = self._try_forward(batch, asks)
            if results is not None:
                self._answer(asks, results)
        return True

    def stop(self, job_id: str, indices: Iterable[int] | None = None) -> dict[int, Tensor | None]:
        """End a job's images early (all of them, or those with the given indices).

        No callback of a stopped run is called any more. Returns the newest denoised latents
        [C, h, w] by index, None for an image that has none yet.
        """
        wanted = None if indices is None else set(indices)
        ended = [
            live
            for live in self._live
            if live.run.job_id == job_id and (wanted is None or live.run.index in wanted)
        ]
        for live in ended:
            self._remove(live)
        return {live.run.index: live.denoised for live in ended}

    def forwards_of(self, job_id: str) -> int:
        """How many forward passes the job took part in so far."""
        return self._counts.get(job_id, 0)

    def forget(self, job_id: str) -> int:
        """``forwards_of`` for the last time: call when the job is over."""
        return self._counts.pop(job_id, 0)

    def _try_forward(self, batch: Batch, asks: Sequence[_Ask]) -> Tensor | None:
        try:
            return self._forward(batch, asks)
        except Exception as error:  # noqa: BLE001 - the worker's border: other jobs go on
            if not is_out_of_memory(error):
                self._fail_all(asks, error)
                return None
        self._shrink(batch, asks)  # after the handler: the exception keeps the tensors alive
        return None

    def _forward(self, batch: Batch, asks: Sequence[_Ask]) -> Tensor:
        rows = [*asks, *[asks[-1]] * (batch.size - len(asks))]
        x = torch.stack([ask.evaluation.x for ask in rows])
        sigma = torch.tensor([ask.evaluation.sigma for ask in rows], dtype=torch.float32)
        cond = self._stack(tuple(ask.cond for ask in rows))
        results = rows[0].evaluation.model(x, sigma, cond)
        self._count(len(rows), asks)
        return results

    def _stack(self, conds: tuple[Conditioning, ...]) -> Tensor:
        """The embeddings as one tensor, kept because the next steps mostly ask for the same."""
        stacked = self._stacks.get(conds)
        if stacked is None:
            stacked = torch.stack([cond.embeddings for cond in conds])
            if len(self._stacks) >= _KEPT_STACKS:
                del self._stacks[next(iter(self._stacks))]
            self._stacks[conds] = stacked
        return stacked

    def _count(self, rows: int, asks: Sequence[_Ask]) -> None:
        self._made_room = False
        self.forwards += 1
        jobs = frozenset(ask.waiting.job for ask in asks)
        for job in jobs:
            self._counts[job] = self._counts.get(job, 0) + 1
        if self._on_forward is not None:
            self._on_forward(rows, jobs)

    def _shrink(self, batch: Batch, asks: Sequence[_Ask]) -> None:
        """Make the next try fit: no generator has advanced, so the same asks wait still."""
        self._stacks.clear()
        if not self._made_room and self._free_memory():
            self._made_room = True
            return
        self._made_room = False
        limit = smaller(batch.size)
        if limit is not None:
            self._limits[batch.key] = limit
            return
        self._fail_all(asks, OutOfMemory())

    def _answer(self, asks: Sequence[_Ask], results: Tensor) -> None:
        answered = set(asks)
        self._pending = [ask for ask in self._pending if ask not in answered]
        for ask, result in zip(asks, results.unbind(), strict=False):  # padding is dropped
            ask.live.answers[ask.slot] = result
        for live in _lives(asks):
            if live.answers and len(live.answers) == live.asked:
                self._advance(live, [live.answers[slot] for slot in range(live.asked)])

    def _advance(self, live: _Live, answers: list[Tensor] | None) -> None:
        """Send a sampler its results; what goes wrong in it ends this image only."""
        if live.ended:
            return
        try:
            self._resume(live, answers)
        except Exception as error:  # noqa: BLE001 - the worker's border: other jobs go on
            self._fail(live, error)

    def _resume(self, live: _Live, answers: list[Tensor] | None) -> None:
        try:
            # Starting a generator is sending it None.
            evaluations = live.generator.send(answers)  # pyright: ignore[reportArgumentType]
            while not evaluations:
                evaluations = live.generator.send([])
        except StopIteration as end:
            x = end.value
        else:
            self._ask(live, evaluations)
            return
        self._finish(live, x)

    def _ask(self, live: _Live, evaluations: Sequence[Evaluation]) -> None:
        step = live.place(evaluations[0].sigma)
        live.answers.clear()
        live.asked = len(evaluations)
        self._pending += [
            _Ask.of(live, slot, evaluation, max(step, live.step), self._turn)
            for slot, evaluation in enumerate(evaluations)
        ]
        if step > live.step:
            live.report(step)

    def _finish(self, live: _Live, x: Tensor) -> None:
        if not torch.isfinite(x).all():
            raise EaselError(NOT_A_NUMBER)
        if live.step < live.run.steps:
            live.report(live.run.steps)
        if not live.ended:
            self._remove(live)
            live.run.on_done(x)

    def _fail_all(self, asks: Sequence[_Ask], error: Exception) -> None:
        for live in _lives(asks):
            if not live.ended:  # a callback of one may stop the others
                self._fail(live, error)

    def _fail(self, live: _Live, error: Exception) -> None:
        if live.failed:
            return
        live.failed = True
        if not live.ended:
            self._remove(live)
        live.run.on_error(OutOfMemory() if is_out_of_memory(error) else error)

    def _remove(self, live: _Live) -> None:
        live.ended = True
        live.generator.close()
        self._live.remove(live)
        self._pending = [ask for ask in self._pending if ask.live is not live]
        if not self._live:
            self._stacks.clear()


@dataclass(slots=True, eq=False)
class _Live:
    """A run in the middle of its work."""

    run: ImageRun
    generator: Sampling = field(init=False)
    schedule: list[float] = field(init=False)
    answers: dict[int, Tensor] = field(default_factory=dict)
    asked: int = 0
    step: int = 0
    denoised: Tensor | None = None
    ended: bool = False
    failed: bool = False

    def __post_init__(self) -> None:
        run = self.run
        self.schedule = [-sigma for sigma in run.sigmas.tolist()]
        self.generator = run.sampler(run.x, run.sigmas, self.observed, run.noise)

    def observed(self, x: Tensor, sigma: float) -> Guiding:
        """The run's guide, with its newest result kept for previews."""
        out = yield from self.run.guide(x, sigma)
        self.denoised = out.denoised
        return out

    def place(self, sigma: float) -> int:
        """The step that ``sigma`` belongs to: the last whose noise level is not below it."""
        return max(bisect_right(self.schedule, -sigma) - 1, 0)

    def report(self, step: int) -> None:
        """Tell that ``step`` steps are done."""
        self.step = step
        newest = self.run.x if self.denoised is None else self.denoised
        self.run.on_progress(step, self.run.steps, newest)


@dataclass(frozen=True, slots=True, eq=False)
class _Ask:
    """One evaluation that waits for its answer."""

    live: _Live
    slot: int
    evaluation: Evaluation
    cond: Conditioning
    waiting: Waiting

    @classmethod
    def of(cls, live: _Live, slot: int, evaluation: Evaluation, step: int, turn: int) -> _Ask:
        cond = evaluation.cond.at(min(step, live.run.steps - 1), live.run.steps)
        key = batch_key(evaluation, cond)
        job = live.run.job_id.partition("/")[0]
        return cls(live, slot, evaluation, cond, Waiting(job, key, turn))


def batch_key(evaluation: Evaluation, cond: Conditioning) -> Hashable:
    """What evaluations must share to be rows of one forward pass."""
    x, model = evaluation.x, evaluation.model
    return (model.weights_key, model.dtype, tuple(x.shape), x.device, cond.key, evaluation.extra)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device, or the host, had no memory left."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    text = str(error).casefold()
    return isinstance(error, RuntimeError) and (
        "out of memory" in text or "can't allocate memory" in text or "cannot allocate" in text
    )


def _lives(asks: Iterable[_Ask]) -> list[_Live]:
    return list(dict.fromkeys(ask.live for ask in asks))
