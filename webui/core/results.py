"""What comes out: pictures, and the events a page, client or command line follows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from webui.core.errors import ErrorInfo


@dataclass(frozen=True, slots=True)
class Pixels:
    """A picture as bytes: 8-bit RGB, row by row from the top, ``3 * width * height`` bytes."""

    width: int
    height: int
    data: bytes

    def __post_init__(self) -> None:
        if len(self.data) != 3 * self.width * self.height:
            raise ValueError(
                f"{len(self.data)} bytes are not a {self.width}×{self.height} RGB picture."
            )


@dataclass(frozen=True, slots=True)
class SavedImage:
    """A picture in the library.

    ``id`` names it in URLs, ``path`` is where the file lies, ``seconds`` how long drawing it took,
    ``owner`` the user whose job it was.
    """

    id: str
    path: str
    index: int
    seed: int
    width: int
    height: int
    infotext: str
    created: float
    seconds: float = 0.0
    owner: str = ""


@dataclass(frozen=True, slots=True)
class JobProgress:
    """How far a running job is. ``fraction`` is 0..1 over all its pictures."""

    fraction: float = 0.0
    phase: str = ""
    step: int = 0
    steps: int = 0
    image: int = 0
    images: int = 0
    seconds_per_step: float | None = None
    seconds_left: float | None = None


@dataclass(frozen=True, slots=True)
class Score:
    """How well one picture and one text fit.

    ``name`` is the picture's when pictures are ranked and the label's when labels are found,
    ``index`` its place in the request. ``cosine`` of the two CLIP vectors is -1..1; ``probability``
    is the softmax over all that were compared, with the model's own scale.
    """

    name: str
    index: int
    cosine: float
    probability: float

    @property
    def clip_score(self) -> float:
        """100 × cosine, as most tools print it."""
        return 100 * self.cosine

    @property
    def hessel(self) -> float:
        """CLIPScore of Hessel et al. 2021: 2.5 × max(cosine, 0)."""
        return 2.5 * max(self.cosine, 0.0)


ImageFormat = Literal["png", "jpeg", "webp", "avif"]
JobState = Literal["queued", "running", "done", "failed", "cancelled"]
EventKind = Literal[
    "queued", "started", "progress", "preview", "image", "scores", "done", "failed", "cancelled"
]


@dataclass(frozen=True, slots=True)
class JobEvent:
    """One thing that happened to a job, as published to everyone who follows it.

    ``seq`` grows by one over all events of a server process. Which of the other fields are set
    depends on ``kind``: queued → position; progress → progress; preview → preview_seq (the frame is
    fetched from the queue: the latest wins); image → image; scores → scores (best first);
    failed → error.
    """

    seq: int
    job_id: str
    kind: EventKind
    time: float
    position: int | None = None
    progress: JobProgress | None = None
    preview_seq: int | None = None
    image: SavedImage | None = None
    scores: tuple[Score, ...] | None = None
    error: ErrorInfo | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. ``is_admin`` gates what changes the installation or other people's jobs.

    ``address`` is where from, where several people may be behind one user (guests, a share link),
    else ""; it makes no other caller.
    """

    user: str
    is_admin: bool
    address: str = field(default="", compare=False)


LOCAL_CALLER = Caller(user="local", is_admin=True)
