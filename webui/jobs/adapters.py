"""The LoRAs and embeddings that prompts call, found among the files there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress

from webui.catalog import Catalog
from webui.catalog.adapters import fits, reference
from webui.catalog.networks import Network, vectors
from webui.core.errors import ModelError
from webui.core.models import AdapterRef, ModelRef
from webui.core.requests import DrawRequest, Txt2Img
from webui.prompt.embeddings import EmbeddingNames
from webui.prompt.loras import LoraCall, lora_calls
from webui.prompt.plan import embeddings_in, split_prompt

_UNWRITTEN = str.maketrans("", "", ":,")
"""Signs that A1111 leaves out of names where it writes their hashes."""


class AdapterFinder:
    """Finds what the prompts of one submission call, looking at each file once."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._loras: dict[str, AdapterRef | None] = {}
        self._embeddings: dict[str, AdapterRef] = {}
        self._files: Mapping[str, Network] | None = None
        self._names = EmbeddingNames(())

    def of(self, request: DrawRequest, model: ModelRef) -> tuple[AdapterRef, ...]:
        """The files that the prompts of ``request`` call, drawn with ``model``.

        A LoRA that is not there is left out, as A1111 does, and so is an embedding that does not
        fit the checkpoint: its name is words. ``ModelError`` for a LoRA whose file is damaged.
        """
        found = [self._lora(call.name) for call in calls_of(request)]
        called = _embeddings(request, self.names)
        found += [self._embedding(name, model.context) for name in called]
        return tuple(dict.fromkeys(one for one in found if one is not None))

    @property
    def names(self) -> EmbeddingNames:
        """The names of all embeddings, whatever model they are for."""
        if self._files is None:
            self._files = {one.name: one for one in self._catalog.networks("embeddings")}
            self._names = EmbeddingNames(self._files)
        return self._names

    def _lora(self, name: str) -> AdapterRef | None:
        if name not in self._loras:
            network = self._catalog.lora(name)
            self._loras[name] = reference("lora", name, network) if network else None
            if (found := self._loras[name]) is not None:
                self._catalog.adapter_hash(found)  # begun now, it is known by the time it is needed
        return self._loras[name]

    def _embedding(self, name: str, context: int) -> AdapterRef | None:
        network = (self._files or {})[name]
        if not fits(vectors(network), context):
            return None
        if name not in self._embeddings:
            with suppress(ModelError):  # damaged since it was looked at
                self._embeddings[name] = reference("embedding", name, network)
                self._catalog.adapter_hash(self._embeddings[name])
        return self._embeddings.get(name)


def calls_of(request: DrawRequest) -> tuple[LoraCall, ...]:
    """The LoRAs that a request's prompts call, in the first pass and in a second one."""
    calls: list[LoraCall] = []
    for prompt, *_ in _passes(request):
        if "<" in prompt:
            calls += lora_calls(split_prompt(prompt)[1])
    return tuple(calls)


def _embeddings(request: DrawRequest, names: EmbeddingNames) -> tuple[str, ...]:
    """The embeddings that a request's prompts call in any pass, each once."""
    found: dict[str, None] = {}
    for prompt, negative, steps, first in _passes(request):
        called = embeddings_in(prompt, negative, steps, request.emphasis, names, first)
        found |= dict.fromkeys(called)
    return tuple(found)


def _passes(request: DrawRequest) -> list[tuple[str, str, int, int | None]]:
    """Prompt, negative prompt and steps of each pass, and the steps of the one before."""
    own = (request.prompt, request.negative_prompt, request.steps)
    if not isinstance(request, Txt2Img) or not request.hires:
        return [(*own, None)]
    prompt = request.hires_prompt or request.prompt
    negative = request.hires_negative_prompt or request.negative_prompt
    return [(*own, None), (prompt, negative, request.hires_steps or request.steps, request.steps)]


def united(adapters: Iterable[tuple[AdapterRef, ...]]) -> tuple[AdapterRef, ...]:
    """All of several prompts' files, each once."""
    return tuple(dict.fromkeys(one for some in adapters for one in some))


def hash_keys(
    catalog: Catalog, request: DrawRequest, model: ModelRef, wait: float = 0.0
) -> dict[str, str]:
    """A1111's infotext keys for what a picture was drawn with: "Lora hashes" and "TI hashes".

    What is not hashed yet after ``wait`` seconds is left out.
    """
    loras = [model.adapter("lora", call.name) for call in calls_of(request)]
    names = EmbeddingNames(one.name for one in model.adapters if one.kind == "embedding")
    called = _embeddings(request, names)
    found = {
        "Lora hashes": loras,
        "TI hashes": [model.adapter("embedding", name) for name in called],
    }
    return {key: text for key, some in found.items() if (text := _hashes(catalog, some, wait))}


def _hashes(catalog: Catalog, adapters: Iterable[AdapterRef | None], wait: float) -> str:
    written: dict[str, str] = {}
    for one in adapters:
        digits = catalog.adapter_hash(one, wait) if one else None
        if one and digits:
            written[one.name.translate(_UNWRITTEN)] = digits
    return ", ".join(f"{name}: {digits}" for name, digits in written.items())
