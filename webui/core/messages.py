"""What server and worker say to each other: frozen, small, picklable, never a tensor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from webui.core.errors import ErrorInfo
from webui.core.models import ModelRef
from webui.core.requests import Request
from webui.core.results import Pixels, Score

# ---- server → worker


@dataclass(frozen=True, slots=True)
class JobSpec:
    """A job with nothing left to look up.

    ``request`` has its seed, size and checkpoint filled in. ``preview_every`` is the number of
    steps between two previews, 0 for none. ``attempt`` counts from 1. ``pictures`` are those the
    request starts from, by their ids, each with its PNG file.
    """

    job_id: str
    attempt: int
    request: Request
    model: ModelRef
    preview_every: int = 0
    pictures: tuple[tuple[str, bytes], ...] = ()

    def picture(self, input_id: str) -> bytes:
        """The PNG file of a picture that the request starts from."""
        return dict(self.pictures)[input_id]


@dataclass(frozen=True, slots=True)
class RunJob:
    """Start this job; it joins what is running already."""

    spec: JobSpec


@dataclass(frozen=True, slots=True)
class StopJob:
    """End a job early: "interrupt" ends all of it, "skip" only the batch being drawn."""

    job_id: str
    how: Literal["interrupt", "skip"] = "interrupt"


@dataclass(frozen=True, slots=True)
class LoadModel:
    """Bring this checkpoint into memory before a job needs it; ``WorkerStats`` answers."""

    model: ModelRef


@dataclass(frozen=True, slots=True)
class UnloadModels:
    """Drop every model that no job is using; ``WorkerStats`` answers."""


@dataclass(frozen=True, slots=True)
class Quit:
    """Leave now."""


Command = RunJob | StopJob | LoadModel | UnloadModels | Quit

# ---- worker → server


@dataclass(frozen=True, slots=True)
class WorkerReady:
    """The worker can draw. ``device`` and ``dtype`` are for people ("NVIDIA RTX 4090")."""

    pid: int
    device: str
    dtype: str
    torch: str


@dataclass(frozen=True, slots=True)
class JobStarted:
    """The worker took the job up."""

    job_id: str
    attempt: int


@dataclass(frozen=True, slots=True)
class JobPhase:
    """What the worker is doing for the job, as text for a person ("Loading checkpoint")."""

    job_id: str
    text: str


@dataclass(frozen=True, slots=True)
class JobStep:
    """Steps done in the batch being drawn. ``image`` is the index of the batch's first picture.

    ``batch`` is how many pictures it has, where that is not the request's batch size (0).
    """

    job_id: str
    step: int
    steps: int
    image: int
    images: int
    seconds_per_step: float | None = None
    batch: int = 0


@dataclass(frozen=True, slots=True)
class JobPreview:
    """A picture of what is being drawn: an encoded JPEG."""

    job_id: str
    image: int
    jpeg: bytes


@dataclass(frozen=True, slots=True)
class JobImage:
    """A finished picture. ``seconds`` is how long it took from its first step to its pixels.

    ``clip_score`` is 100 × the cosine of picture and prompt, where it was measured. ``candidate``
    is the picture's number among all that were drawn for the request (None: its ``index``).
    """

    job_id: str
    index: int
    seed: int
    pixels: Pixels
    seconds: float
    clip_score: float | None = None
    candidate: int | None = None

    @property
    def drawn(self) -> int:
        """The number that its noise was drawn with: ``index``, unless it is the best of several."""
        return self.index if self.candidate is None else self.candidate


@dataclass(frozen=True, slots=True)
class JobScores:
    """What was measured, best first."""

    job_id: str
    scores: tuple[Score, ...]


@dataclass(frozen=True, slots=True)
class JobFinished:
    """The end of a job. ``error`` is set when it failed, ``stopped`` when it was interrupted.

    ``forwards`` counts the model's forward passes this job took part in.
    """

    job_id: str
    attempt: int
    error: ErrorInfo | None = None
    stopped: bool = False
    forwards: int = 0


@dataclass(frozen=True, slots=True)
class WorkerStats:
    """Sent after each job, ``LoadModel`` and ``UnloadModels``: what the worker did and holds, in
    total.

    ``embedding_hits`` are texts that had been encoded before, ``embedding_misses`` those that were
    encoded; ``model_hits`` uses of a model's part that lay on the device, ``model_loads`` of one
    that had to be brought there.
    """

    forwards: int
    memory_bytes: int
    cached_bytes: int
    loaded: tuple[str, ...] = ()
    embedding_hits: int = 0
    embedding_misses: int = 0
    model_hits: int = 0
    model_loads: int = 0


WorkerEvent = (
    WorkerReady
    | JobStarted
    | JobPhase
    | JobStep
    | JobPreview
    | JobImage
    | JobScores
    | JobFinished
    | WorkerStats
)
