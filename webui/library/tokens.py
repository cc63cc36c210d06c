"""The parts that names are made of, in square brackets: ``[seed]``, ``[prompt_hash<6>]`` and so on.

They are A1111's with their meanings, and two of ours: ``[number]``, the running number, which is
filled in last, when it is known which is free, and ``[job]``.
"""

from __future__ import annotations

import hashlib
import re
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from webui.core.seeds import image_seed

NUMBER = "[number]"
_TIME_FORMAT = "%Y%m%d%H%M%S"
_MAX_VALUE = 128
"""Characters that one part can bring, as in A1111."""

_OF_REQUEST = (
    "negative_prompt",
    "steps",
    "cfg_scale",
    "sampler",
    "scheduler",
    "clip_skip",
    "denoising_strength",
    "variation_strength",
    "vae",
    "batch_size",
    "count",
)

_TOKEN = re.compile(r"\[(\w+)((?:<[^<>\[\]]*>)*)\]")
_NO_LETTERS = re.compile(r"[\s" + re.escape(string.punctuation) + "]+")
_BRACKETS = str.maketrans("[]", "()")


@dataclass(frozen=True, slots=True)
class Subject:
    """What a name can be made of: a picture, and what is known of its job.

    ``time`` and ``job_time`` are local; ``index`` counts the ``count`` pictures of a job from 0;
    ``pixels`` are those of the picture. ``styled_prompt`` is the prompt with its styles written
    out, where that differs.
    """

    seed: int
    prompt: str
    model: str
    width: int
    height: int
    job: str
    time: datetime
    negative_prompt: str = ""
    styled_prompt: str = ""
    styles: tuple[str, ...] = ()
    steps: int = 0
    cfg_scale: float = 0.0
    sampler: str = ""
    scheduler: str = ""
    clip_skip: int = 1
    denoising_strength: float = 0.0
    variation_strength: float = 0.0
    vae: str = ""
    model_hash: str = ""
    user: str = ""
    index: int = 0
    batch_size: int = 1
    count: int = 1
    job_time: datetime | None = None
    pixels: bytes = field(default=b"", repr=False)
    max_words: int = 8

    def drawn_by(self, request: object) -> Subject:
        """The same with what ``request`` says; not every kind of request has every field."""
        said = {name: getattr(request, name, None) for name in _OF_REQUEST}
        return replace(self, **{name: value for name, value in said.items() if value is not None})

    @property
    def first_seed(self) -> int:
        """The seed of the job's first picture."""
        return self.seed if self.variation_strength else image_seed(self.seed, -self.index)

    @property
    def last_seed(self) -> int:
        """The seed of the job's last picture."""
        return image_seed(self.first_seed, self.count - 1, self.variation_strength)


class _Skip:
    """Said in place of a value: leave out the text before the part too."""


SKIP = _Skip()
Value = str | _Skip | None
"""What a part becomes; None leaves it as it is written."""


def fill(pattern: str, subject: Subject) -> str:
    """The pattern with every part but the number filled in; unknown ones stay as they are.

    A part that says nothing here (``[batch_number]`` of a batch of one) takes the text before it
    along. What is filled in holds no square brackets, so it never becomes a part itself.
    """
    filled: list[str] = []
    end = 0
    for match in _TOKEN.finditer(pattern):
        before = pattern[end : match.start()]
        end = match.end()
        value = _value(match[1].lower(), match[2], subject)
        if value is None:
            filled.append(before + match[0])
        elif isinstance(value, str):
            filled.append(before + value.translate(_BRACKETS)[:_MAX_VALUE])
    return "".join(filled) + pattern[end:]


def _value(name: str, arguments: str, subject: Subject) -> Value:
    simple = _SIMPLE.get(name)
    if simple is not None:
        return simple(subject) if not arguments else None
    with_arguments = _WITH_ARGUMENTS.get(name)
    if with_arguments is None:
        return None
    return with_arguments(subject, arguments[1:-1].split("><") if arguments else [])


def _prompt(s: Subject) -> str:
    return s.styled_prompt or s.prompt


def _words(s: Subject) -> str:
    words = [word for word in _NO_LETTERS.split(_prompt(s)) if word][: s.max_words]
    return " ".join(words or ["empty"])


def _last(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[2]


def _number(value: float) -> str:
    return f"{value:g}"


def _datetime(s: Subject, arguments: list[str]) -> Value:
    pattern = arguments[0] if arguments and arguments[0] else _TIME_FORMAT
    time = s.time
    if len(arguments) > 1:
        try:
            time = time.astimezone(ZoneInfo(arguments[1]))
        except (OSError, KeyError, ValueError, TypeError):
            time = s.time
    try:
        return time.strftime(pattern)
    except (ValueError, TypeError):
        return time.strftime(_TIME_FORMAT)


def _has_prompt(s: Subject, arguments: list[str]) -> Value:
    found = ""
    for argument in filter(None, arguments):
        wanted, default, *_ = *argument.split("|"), ""
        is_there = wanted.lower() in _prompt(s).lower()
        found += wanted.lower() if is_there else default
    return found.strip()


def _hash_of(text: Callable[[Subject], bytes], length: int | None) -> _Function:
    """A part that is the SHA-256 of ``text``, in hex, of ``length`` digits unless it says."""

    def value(s: Subject, arguments: list[str]) -> Value:
        given = arguments[0] if arguments else ""
        if given and not given.isdecimal():
            return None
        return hashlib.sha256(text(s)).hexdigest()[: int(given) if given else length]

    return value


_Function = Callable[[Subject, list[str]], Value]
_SIMPLE: Mapping[str, Callable[[Subject], Value]] = {
    "seed": lambda s: str(s.seed),
    "seed_first": lambda s: str(s.first_seed if s.batch_size > 1 else s.seed),
    "seed_last": lambda s: str(s.last_seed) if s.batch_size > 1 else SKIP,
    "steps": lambda s: str(s.steps),
    "cfg": lambda s: _number(s.cfg_scale),
    "width": lambda s: str(s.width),
    "height": lambda s: str(s.height),
    "sampler": lambda s: s.sampler,
    "scheduler": lambda s: s.scheduler,
    "sampler_scheduler": lambda s: f"{s.sampler} {s.scheduler}".strip(),
    "model_name": lambda s: s.model.replace("/", "_"),
    "model_hash": lambda s: s.model_hash or "None",
    "vae_filename": lambda s: _last(s.vae).rpartition(".")[0] or _last(s.vae) or "None",
    "date": lambda s: s.time.strftime("%Y-%m-%d"),
    "job_timestamp": lambda s: (s.job_time or s.time).strftime(_TIME_FORMAT),
    "prompt": lambda s: _prompt(s).replace(" ", "_"),
    "prompt_spaces": _prompt,
    "prompt_no_styles": lambda s: s.prompt,
    "prompt_words": _words,
    "styles": lambda s: ", ".join(s.styles) or "None",
    "batch_number": lambda s: str(s.index % s.batch_size + 1) if s.batch_size > 1 else SKIP,
    "batch_size": lambda s: str(s.batch_size),
    "generation_number": lambda s: str(s.index + 1) if s.count > 1 else SKIP,
    "clip_skip": lambda s: str(s.clip_skip),
    "denoising": lambda s: _number(s.denoising_strength) if s.denoising_strength else SKIP,
    "user": lambda s: s.user,
    "job": lambda s: s.job,
    "none": lambda _: "",
}
_WITH_ARGUMENTS: Mapping[str, _Function] = {
    "datetime": _datetime,
    "hasprompt": _has_prompt,
    "prompt_hash": _hash_of(lambda s: _bytes(_prompt(s)), 8),
    "negative_prompt_hash": _hash_of(lambda s: _bytes(s.negative_prompt), 8),
    "full_prompt_hash": _hash_of(lambda s: _bytes(f"{_prompt(s)} {s.negative_prompt}"), 8),
    "image_hash": _hash_of(lambda s: s.pixels, None),
}


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")
