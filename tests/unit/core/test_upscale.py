"""What an upscaling request means for a picture."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from webui.core.errors import InvalidRequest, TooLarge
from webui.core.models import ModelRef
from webui.core.requests import Upscale
from webui.core.upscale import plan

BY, TO, CROP = "Postprocess upscale by", "Postprocess upscale to", "Postprocess crop to"


def request(**fields: Any) -> Upscale:
    return Upscale(images=("a" * 64,), **fields)


@pytest.mark.parametrize(
    ("fields", "size", "made", "result", "notes"),
    [
        ({"scale": 2}, (64, 32), (128, 64), (128, 64), {BY: "2"}),
        ({"scale": 1.5}, (100, 50), (144, 72), (144, 72), {BY: "1.5"}),  # down to eighths
        ({"scale": 0.01}, (100, 50), (8, 8), (8, 8), {BY: "0.01"}),
        ({"scale": 4, "max_side": 512}, (64, 32), (256, 128), (256, 128), {BY: "4"}),
        (
            {"scale": 4, "max_side": 200},
            (32, 64),
            (96, 200),
            (96, 200),
            {BY: "4", "Max side length": "200"},
        ),
        (
            {"width": 64, "height": 64},
            (20, 10),
            (128, 64),
            (64, 64),
            {TO: "64x64", CROP: "64x64"},
        ),
        ({"width": 64, "height": 64, "crop": False}, (20, 10), (128, 64), (128, 64), {TO: "64x64"}),
        ({"width": 60, "height": 60}, (10, 10), (56, 56), (60, 60), {TO: "60x60", CROP: "60x60"}),
        ({"width": 96}, (30, 10), (96, 32), (96, 32), {TO: "96x32"}),
        ({"height": 96}, (30, 10), (288, 96), (288, 96), {TO: "288x96"}),
        ({"upscaler": "None", "scale": 4}, (33, 9), (33, 9), (33, 9), None),
    ],
)
def test_sizes_and_notes(
    fields: dict[str, Any],
    size: tuple[int, int],
    made: tuple[int, int],
    result: tuple[int, int],
    notes: dict[str, str] | None,
) -> None:
    found = plan(request(**fields), *size)
    assert (found.size, found.result) == (made, result)
    expected = {} if notes is None else {**notes, "Postprocess upscaler": "Lanczos"}
    assert dict(found.notes) == expected


def test_the_second_upscaler_is_noted_where_it_is_seen() -> None:
    unseen = plan(request(upscaler_2="Nearest"), 8, 8).notes
    assert "Postprocess upscaler 2" not in dict(unseen)
    seen = plan(request(upscaler_2="Nearest", visibility=0.5), 8, 8).notes
    assert seen[-1] == ("Postprocess upscaler 2", "Nearest")


@pytest.mark.parametrize(
    "fields",
    [{"scale": 64}, {"width": 65_000, "height": 100}, {"width": 1, "height": 60_000}],
)
def test_what_would_be_too_large_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(TooLarge, match="the most is 50 million"):
        plan(request(**fields), 2000, 2000)


@pytest.mark.parametrize(
    ("values", "field", "words"),
    [
        ({}, "images", "There are 0 pictures"),
        ({"images": ["x"] * 101}, "images", "There are 101 pictures"),
        ({"images": "abc"}, "images", "list of ids"),
        ({"images": [3]}, "images", "list of ids"),
        ({"images": ["a"], "models": []}, "models", "There is no field 'models'"),
        ({"images": ["a"], "tile": 9}, "tile", "There is no field"),
        ({"images": ["a"], "scale": 65}, "scale", "the most is 64"),
        ({"images": ["a"], "scale": "4"}, "scale", "not a number"),
        ({"images": ["a"], "visibility": 1.5}, "visibility", "the most is 1"),
    ],
)
def test_bad_requests_are_refused_by_field(values: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words) as error:
        Upscale.asked(values)
    assert error.value.field == field


def test_a_request_survives_the_journal_and_names_each_picture_once() -> None:
    ref = ModelRef("x4", "/m/x4.safetensors", "file", "upscaler", "epsilon", 0, "d")
    whole = Upscale(
        images=("a", "b", "a"), upscaler="x4", models=(ref, ref), sizes=((8, 8),) * 3, scale=2
    )
    assert Upscale.from_mapping(asdict(whole)) == whole
    assert whole.inputs == ("a", "b")
    assert whole.count == 3
    assert whole.pixels == 3 * 16 * 16
