"""The files that one prompt calls, as the page is told of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from webui.catalog.adapters import fits
from webui.catalog.networks import Vectors, vectors
from webui.core.models import MOST_VECTORS
from webui.prompt.embeddings import EmbeddingNames
from webui.prompt.plan import embeddings_in
from webui.prompt.problems import Files

if TYPE_CHECKING:
    from webui.catalog import Catalog


def called_files(
    catalog: Catalog, text: str, *, steps: int, emphasis: str, negative: bool, context: int
) -> tuple[dict[str, int], Files]:
    """How many vectors each embedding has that a prompt calls, and what to say of its files.

    ``context`` is the width of the checkpoint's token embeddings (0: not known).
    """
    there = {one.name: one for one in catalog.networks("embeddings")}
    prompts = ("", text) if negative else (text, "")
    counts: dict[str, int] = {}
    unfit: dict[str, str] = {}
    for name in embeddings_in(*prompts, steps, emphasis, EmbeddingNames(there)):
        size = vectors(there[name])
        if size is not None and fits(size, context):
            counts[name] = size.vectors
        else:
            unfit[name] = _why(size, context)
    return counts, Files(lambda name: catalog.lora(name) is not None, unfit)


def _why(size: Vectors | None, context: int) -> str:
    if size is None:
        return "whose file is damaged"
    if not 1 <= size.vectors <= MOST_VECTORS:
        return f"of {size.vectors} vectors, where {MOST_VECTORS} fit"
    return f"for another kind of model ({size.width} wide, this checkpoint reads {context})"
