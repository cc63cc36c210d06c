"""The checkpoints there are, by name."""

from __future__ import annotations

import difflib
import hashlib
import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from webui.catalog.adapters import LoraNames, short_hash
from webui.catalog.folders import digest_of, identify_folder, weight_files
from webui.catalog.hashes import Hashes
from webui.catalog.header import read_header
from webui.catalog.identify import identify_file
from webui.catalog.networks import Kind, Network, networks
from webui.catalog.places import places
from webui.catalog.scan import SUFFIX, Candidate, scan
from webui.catalog.upscalers import Upscalers, find_upscalers
from webui.core.errors import EaselError, ErrorInfo, ModelError, NotFound, UnsafeFile
from webui.core.models import AdapterRef, ModelRef
from webui.core.second_pass import LATENT_UPSCALERS

STARTER = "easel-starter"
_TITLE = re.compile(r"(.*\S)\s*\[([0-9a-fA-F]{8,64})\]")

_Signature = tuple[str, str, tuple[tuple[str, int, int], ...]]


@dataclass(frozen=True, slots=True)
class _State:
    """One look at the folders: what was found under which name."""

    refs: tuple[ModelRef, ...] = ()
    problems: tuple[tuple[str, ErrorInfo], ...] = ()


class Catalog:
    """What lies in ``models_dir``, looked at anew whenever it is asked.

    A file is identified once, from its header; again only when its size or time changes.
    ``cache`` is the folder where hashes are kept between runs. ``installation`` is the folder of an
    A1111, Forge or ComfyUI whose models are used too ("": none). Safe to use from several threads.
    """

    def __init__(self, models_dir: Path, cache: Path | None = None, installation: str = "") -> None:
        self.models_dir = models_dir
        self.installation = installation
        self._hashes = Hashes(cache / "model-hashes.json" if cache else None)
        self._identified: dict[_Signature, ModelRef | ErrorInfo] = {}
        self._lock = threading.Lock()
        self._loras = LoraNames()

    def checkpoints(self) -> tuple[ModelRef, ...]:
        """The checkpoints that can be drawn with, sorted by name."""
        return self._look().refs

    def problems(self) -> tuple[tuple[str, str], ...]:
        """Files and folders that cannot be used: name and one sentence each."""
        return tuple((name, info.message) for name, info in self._look().problems)

    def networks(self, kind: Kind) -> tuple[Network, ...]:
        """The files of a kind by the names that prompts call them by; see :mod:`.networks`."""
        return networks(self.models_dir, self.installation, kind)

    def choices(self) -> dict[str, tuple[str, ...]]:
        """The names of every open set that a field's ``choices`` refers to."""
        upscalers = self.upscalers().names
        return {
            "checkpoints": tuple(ref.name for ref in self.checkpoints()),
            "upscalers": upscalers,
            "hires_upscalers": (*LATENT_UPSCALERS.names(), *upscalers),
        }

    def upscalers(self) -> Upscalers:
        """What enlarges pictures: the built-in methods and the model files."""
        return find_upscalers(self.models_dir, self.installation)

    def lora(self, name: str) -> Network | None:
        """The LoRA that a prompt calls so; None if there is none. See ``LoraNames.find``."""
        return self._loras.find(self.networks("lora"), name)

    def lora_by_hash(self, short: str) -> Network | None:
        """The LoRA of that hash (A1111's twelve digits), as far as hashes are known."""
        return self._loras.by_hash(self.networks("lora"), short, self._hashes.known)

    def adapter_hash(self, adapter: AdapterRef, wait: float = 0.0) -> str | None:
        """A1111's hash of a LoRA or an embedding, twelve digits; see ``adapters.short_hash``."""
        return short_hash(self._hashes, self._loras, adapter, wait)

    def default(self) -> ModelRef | None:
        """The checkpoint meant when none is named: the first of the user's own, else the
        starter."""
        refs = self.checkpoints()
        own = (ref for ref in refs if ref.name != STARTER)
        return next(own, refs[0] if refs else None)

    def resolve(self, name: str) -> ModelRef:
        """The checkpoint of that name; "" means the default.

        Takes what people and A1111 write: any case, with or without ``.safetensors`` or the
        folder, "name [hash]", or the hash alone. ``NotFound`` if there is none; a checkpoint that
        is there and cannot be used raises its own ``ModelError``.
        """
        state = self._look()
        if not name.strip():
            ref = self.default()
            if ref is None:
                raise NotFound(self._none(state), field="checkpoint")
            return ref
        title = _TITLE.fullmatch(name.strip())
        wanted, digits = (title[1], title[2].lower()) if title else (name.strip(), "")
        found = self._by_hash(state.refs, digits or wanted) or _by_name(state.refs, wanted)
        if found is not None:
            return found
        for broken, info in state.problems:
            if _key(wanted) in _spellings(broken):
                error = info.to_exception()
                error.field = "checkpoint"
                raise error
        raise NotFound(_missing(wanted, state), field="checkpoint")

    def model_hash(self, ref: ModelRef, wait: float = 0.0) -> str | None:
        """A1111's short hash: ten hex digits of the file's SHA-256 (of a folder: of its UNet's).

        None while it is being made in the background; ``wait`` seconds are waited for it.
        """
        path = Path(ref.path)
        if ref.layout == "folder":
            weights = weight_files(path, "unet")
            if not weights:
                return None
            path = weights[0]
        full = self._hashes.get(ref.digest, path, wait)
        return full[:10] if full else None

    def known_sha256(self, ref: ModelRef) -> str | None:
        """The whole SHA-256 that :meth:`model_hash` begins, if it has been made; makes none."""
        return self._hashes.known(ref.digest)

    def close(self) -> None:
        """Stop the background hashing."""
        self._hashes.close()

    def _look(self) -> _State:
        with self._lock:
            folders = places(self.models_dir, self.installation, "checkpoints")
            candidates = [c for folder in folders for c in scan(folder)]
            found: dict[_Signature, ModelRef | ErrorInfo] = {}
            refs: dict[str, ModelRef] = {}
            problems: list[tuple[str, ErrorInfo]] = []
            for candidate in candidates:
                key = (candidate.name, candidate.kind, candidate.signature)
                result = self._identified.get(key) or _identify(candidate)
                found[key] = result
                if isinstance(result, ErrorInfo):
                    problems.append((_shown(candidate.name), result))
                else:
                    _add(refs, result)
            self._identified = found
        by_name = sorted(refs.values(), key=lambda r: (r.name.casefold(), r.name))
        return _State(tuple(by_name), tuple(problems))

    def _by_hash(self, refs: Iterable[ModelRef], digits: str) -> ModelRef | None:
        if len(digits) < 10:
            return None
        for ref in refs:
            known = self._hashes.known(ref.digest)
            if known and known.startswith(digits.lower()):
                return ref
        return None

    def _none(self, state: _State) -> str:
        text = (
            "There is no checkpoint; put a Stable Diffusion 1.x .safetensors file or diffusers "
            "folder into models/checkpoints."
        )
        if state.problems:
            text += f" What is there cannot be used: {state.problems[0][1].message}"
        return text


def _identify(candidate: Candidate) -> ModelRef | ErrorInfo:
    try:
        return _ref(candidate)
    except EaselError as error:
        return error.info()


def _ref(candidate: Candidate) -> ModelRef:
    name, path = candidate.name, candidate.path
    if _shown(name) != name:
        raise ModelError(f"The name {_shown(name)!r} is not valid text; rename the file.")
    if candidate.kind == "pickle":
        raise UnsafeFile(
            f"{name!r} is a pickle, which can run code when it is read, so it is refused; get its "
            ".safetensors version."
        )
    if candidate.kind == "loose":
        raise ModelError(f"The folder {name!r} is no model: it has no model_index.json.")
    if candidate.kind == "file":
        header = read_header(path, name)
        identity, content = identify_file(header, name), header.digest
    else:
        identity, content = identify_folder(path, name), digest_of(path, name)
    return ModelRef(
        name=name,
        path=str(path.absolute()),
        layout=candidate.kind,
        family=identity.family,
        prediction=identity.prediction,
        native_size=identity.native_size,
        digest=hashlib.sha256(f"{content}\0{candidate.signature!r}".encode()).hexdigest(),
        context=identity.context,
    )


def _add(refs: dict[str, ModelRef], ref: ModelRef) -> None:
    """Add under a name of its own: of two alike, a file keeps its suffix, else the first stays."""
    if ref.name in refs and ref.layout == "file":
        ref = replace(ref, name=ref.name + SUFFIX)
    refs.setdefault(ref.name, ref)


def _by_name(refs: Iterable[ModelRef], wanted: str) -> ModelRef | None:
    for fits in (
        lambda ref: ref.name == wanted,
        lambda ref: _key(wanted) == _key(ref.name),
        lambda ref: _key(wanted) in _spellings(ref.name),
    ):
        for ref in refs:
            if fits(ref):
                return ref
    return None


def _spellings(name: str) -> set[str]:
    """What a checkpoint is also called: without its folder, or with "_" for "/" as in A1111."""
    return {_key(name), _key(name.rsplit("/", 1)[-1]), _key(name.replace("/", "_"))}


def _key(name: str) -> str:
    return name.strip().replace("\\", "/").casefold().removesuffix(SUFFIX).strip("/")


def _missing(wanted: str, state: _State) -> str:
    shown = wanted if len(wanted) <= 60 else wanted[:57] + "..."
    names = [ref.name for ref in state.refs]
    near = difflib.get_close_matches(wanted[:200], names, n=1, cutoff=0.5)
    if near:
        return f"There is no checkpoint {shown!r}; did you mean {near[0]!r}?"
    known = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
    return f"There is no checkpoint {shown!r}; there are: {known or 'none'}."


def _shown(name: str) -> str:
    return name.encode("utf-8", "replace").decode("utf-8")
