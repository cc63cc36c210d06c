"""Requests of any shape, made from the declarations, so that a new field is in them at once."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from webui.core.choices import CHOICES
from webui.core.params import Field, fields_of
from webui.core.requests import MAX_IMAGES, Txt2Img

CHARACTERS = st.characters(codec="utf-8") | st.sampled_from(' \n\t":,\\()[]{}<>|&\0')
TRAPS = st.sampled_from(
    ["", "Steps: 20, Sampler: Euler, Seed: 1", "Negative prompt: x", "a\nNegative prompt: b\nc",
     '"', "\\", "]]>", "</rdf:RDF>", "&quot;", "\ufffe\uffff\x7f\x85", "😀" * 30, "  spaces  ",
     "line\n\n\nline\n"],
)  # fmt: skip
PROMPTS = st.lists(st.text(CHARACTERS, max_size=40) | TRAPS, max_size=3).map("\n".join)


def value_of(field: Field) -> st.SearchStrategy[Any]:
    """Any value that a field's declaration allows."""
    found = _value_of(field)
    return st.none() | found if field.optional else found


def _value_of(field: Field) -> st.SearchStrategy[Any]:
    param = field.param
    if param.choices is not None and param.choices in CHOICES:
        return st.sampled_from(CHOICES[param.choices].names())
    if field.type is bool:
        return st.booleans()
    if field.type is str:
        return PROMPTS if param.control == "multiline" else st.text(CHARACTERS, max_size=20)
    least, most = param.minimum, param.maximum
    if field.type is float:
        return st.floats(least, most)
    step = param.multiple_of or 1
    assert least is not None
    assert most is not None
    return st.integers(-(-int(least) // step), int(most) // step).map(lambda n: n * step)


def _build(values: dict[str, Any]) -> Txt2Img:
    """Mends what only together is too much."""
    if values["batch_count"] * values["batch_size"] * values["best_of"] > MAX_IMAGES:
        values |= {"batch_count": 3, "batch_size": 2, "best_of": 1}
    if (values["width"] or 0) * (values["height"] or 0) > 2048 * 4096:
        values["height"] = 64
    if not values["hires"]:  # without a second pass nothing is said, or meant, by the rest of it
        values = {name: v for name, v in values.items() if name not in OF_HIRES}
    else:  # not too large when it is enlarged; a scale is not said beside a size
        values |= {"width": 64, "height": 128}
        for name in ("hires_width", "hires_height"):
            values[name] = values[name] and max(64, min(values[name], 1024))
        values["hires_cfg_scale"] = max(values["hires_cfg_scale"], 1.0)
        if values["hires_width"] or values["hires_height"]:
            del values["hires_scale"]
    if values["sigma_min"] >= values["sigma_max"]:
        values["sigma_max"] = 0.0
    return Txt2Img(**values)


OF_HIRES = frozenset(f.name for f in fields_of(Txt2Img) if f.param.section == "hires") - {"hires"}
REQUESTS = st.fixed_dictionaries({f.name: value_of(f) for f in fields_of(Txt2Img)}).map(_build)
"""Requests with every field drawn."""
