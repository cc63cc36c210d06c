"""LoRAs and embeddings by the names that prompts call them by, with what A1111 hashes of them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from webui.catalog.hashes import Hashes
from webui.catalog.header import Header, read_header
from webui.catalog.networks import Network, Vectors, vectors
from webui.core.errors import EaselError, ModelError
from webui.core.models import MOST_VECTORS, AdapterKind, AdapterRef

HASH_DIGITS = 12
"""Of LoRAs' and embeddings' hashes, as A1111 writes them."""
_SHA256 = re.compile(r"[0-9a-fA-F]{12,64}")

_Stamp = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Told:
    """What a LoRA's header says: the name its trainer gave it, its hash; and the file's digest."""

    alias: str = ""
    hash: str = ""
    digest: str = ""


@dataclass(slots=True)
class LoraNames:
    """Finds LoRAs; what their headers say is kept for as long as the files stay as they are."""

    _told: dict[_Stamp, Told] = field(default_factory=dict[_Stamp, Told])

    def find(self, files: Sequence[Network], name: str) -> Network | None:
        """The LoRA that a prompt calls ``name``: by its file's name, else by what its trainer
        called it (``ss_output_name``), in this case or, failing that, in any.

        As in A1111, a trainer's name that two files have means neither.
        """
        own = {network.name: network for network in reversed(files)}
        found = own.get(name) or _in_any_case(own, name)
        if found is not None:
            return found
        aliases: dict[str, list[Network]] = {}
        for network in files:
            if alias := self.told(network).alias:
                aliases.setdefault(alias, []).append(network)
        single = {alias: named[0] for alias, named in aliases.items() if len(named) == 1}
        return single.get(name) or _in_any_case(single, name)

    def by_hash(
        self, files: Iterable[Network], short: str, known: Callable[[str], str | None]
    ) -> Network | None:
        """The LoRA whose hash begins with ``short`` (12 digits or more), as far as hashes are
        known: those that makers wrote into their files, and those that ``known`` gives by digest.
        """
        if not _SHA256.fullmatch(short):
            return None
        for network in files:
            told = self.told(network)
            digits = told.hash or known(told.digest) or ""
            if digits.startswith(short.lower()):
                return network
        return None

    def told(self, network: Network) -> Told:
        """What a file's header says; all of it "" where the file cannot be read."""
        try:
            status = network.path.stat()
            stamp = (str(network.path), status.st_size, status.st_mtime_ns)
            if stamp not in self._told:
                self._told[stamp] = _read(network)
            return self._told[stamp]
        except OSError:
            return Told()


def reference(kind: AdapterKind, name: str, network: Network) -> AdapterRef:
    """What the worker needs to know of a file that prompts call ``name``.

    ``ModelError`` for a file that is damaged, ``UnsafeFile`` for a pickle under another name.
    """
    digest = _digest(network.path, read_header(network.path, network.path.name))
    size = vectors(network) if kind == "embedding" else None
    path = str(network.path.absolute())
    if path != path.encode("utf-8", "replace").decode():
        raise ModelError(f"The folder of {name!r} has a name that is not valid text; rename it.")
    return AdapterRef(kind, name, path, digest, size.vectors if size else 0)


def fits(size: Vectors | None, context: int) -> bool:
    """Whether an embedding of that size can be used where token embeddings are ``context`` wide.

    A width of 0 is not known and fits all. One of more vectors than a chunk holds fits nowhere.
    """
    return size is not None and 1 <= size.vectors <= MOST_VECTORS and context in (0, size.width)


def short_hash(
    hashes: Hashes, names: LoraNames, adapter: AdapterRef, wait: float = 0.0
) -> str | None:
    """The first digits of a file's hash; None while it is being made, ``wait`` seconds at most.

    As A1111 1.10: of an embedding the SHA-256 of the file; of a LoRA ``sshs_model_hash`` if its
    trainer wrote it, else the SHA-256 of what follows the header, so that notes in the header
    change nothing.
    """
    path = Path(adapter.path)
    if adapter.kind == "embedding":
        full = hashes.get(adapter.digest, path, wait)
    else:
        told = names.told(Network("lora", adapter.name, path)).hash
        full = told or hashes.get(adapter.digest, path, wait, past_header=True)
    return full[:HASH_DIGITS] if full else None


def _read(network: Network) -> Told:
    try:
        header = read_header(network.path, network.path.name)
    except EaselError:
        return Told()
    digits = header.metadata.get("sshs_model_hash", "")
    return Told(
        alias=header.metadata.get("ss_output_name", "")[:200],
        hash=digits.lower() if _SHA256.fullmatch(digits) else "",
        digest=_digest(network.path, header),
    )


def _digest(path: Path, header: Header) -> str:
    """A content key known at once, as checkpoints have one."""
    status = path.stat()
    parts = (header.digest, path.absolute(), status.st_size, status.st_mtime_ns)
    return hashlib.sha256("\0".join(map(str, parts)).encode("utf-8", "replace")).hexdigest()


def _in_any_case(named: Mapping[str, Network], name: str) -> Network | None:
    wanted = name.casefold()
    return next((network for own, network in named.items() if own.casefold() == wanted), None)
