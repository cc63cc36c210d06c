"""The whole request beside A1111's text: lossless, dropped with it, never trusted against it."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.unit.metadata.strategies import REQUESTS
from webui.core.requests import DrawRequest, Txt2Img
from webui.core.results import ImageFormat, Pixels
from webui.metadata import encode, exact_text, infotext, read_picture
from webui.metadata.exact import agrees, exact_request

SMALL = Pixels(8, 8, bytes(192))
FORMATS: tuple[ImageFormat, ...] = ("png", "jpeg", "webp", "avif")
REQUEST = Txt2Img(
    prompt="a\nNegative prompt: b\nSteps: 3, Sampler: Heun, Seed: 9",
    negative_prompt=" kept ",
    width=64,
    height=32,
    seed=5,
    checkpoint="m",
    batch_count=3,
)


def text_of(request: Txt2Img) -> str:
    return infotext(request, seed=request.seed, model_hash="0123456789", version="easel-1")


def file_of(request: Txt2Img, fmt: ImageFormat = "png", text: str | None = None) -> bytes:
    text = text_of(request) if text is None else text
    return encode(SMALL, fmt, 50, text, request=exact_text(request))


def exact_of(data: bytes) -> DrawRequest | None:
    told = read_picture(data)
    assert told is not None
    return told.exact


SETTINGS = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}


def check_round_trip(request: Txt2Img, fmt: ImageFormat) -> None:
    assert exact_of(file_of(request, fmt)) == request


@given(REQUESTS, st.sampled_from(FORMATS[:3]))
@example(REQUEST, "avif")
@settings(max_examples=200, **SETTINGS)
def test_every_request_comes_back(request: Txt2Img, fmt: ImageFormat) -> None:
    check_round_trip(request, fmt)


@pytest.mark.long
@pytest.mark.timeout(1800)
@given(REQUESTS, st.sampled_from(FORMATS[:3]))
@settings(max_examples=10_000, **SETTINGS)
def test_ten_thousand_requests_come_back(request: Txt2Img, fmt: ImageFormat) -> None:
    check_round_trip(request, fmt)


@pytest.mark.parametrize("fmt", FORMATS)
def test_prompts_that_the_text_cannot_tell_come_back(fmt: ImageFormat) -> None:
    check_round_trip(REQUEST, fmt)


def test_a_png_has_it_in_a_chunk_of_its_own() -> None:
    info = Image.open(io.BytesIO(file_of(REQUEST))).info
    assert info["parameters"] == text_of(REQUEST)
    assert json.loads(info["easel"])["txt2img"]["batch_count"] == 3


@pytest.mark.parametrize("fmt", FORMATS)
def test_without_the_text_there_is_no_request_either(fmt: ImageFormat) -> None:
    data = encode(SMALL, fmt, 50, None, request=exact_text(REQUEST))
    assert data == encode(SMALL, fmt, 50, None)
    assert b"Negative" not in data


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Seed: 5", "Seed: 6"),
        ("Steps: 20", "Steps: 21"),
        ("RNG: NV", "RNG: NV, Clip skip: 2"),
        ("Size: 64x32", "Size: 32x64"),
        ("a\n", "b\n"),
        (" kept ", "other"),
        (", Model: m", ""),
    ],
)
def test_a_text_that_was_edited_wins(old: str, new: str) -> None:
    text = text_of(REQUEST)
    assert old in text
    edited = text.replace(old, new, 1)
    assert exact_of(file_of(REQUEST, text=edited)) is None
    assert exact_of(file_of(REQUEST, text=text)) == REQUEST


def test_what_others_add_to_the_text_changes_nothing() -> None:
    text = text_of(REQUEST).replace("Version: ", "Hashes: x, Rating: 5, Version: 2-")
    assert exact_of(file_of(REQUEST, text=text)) == REQUEST


def test_another_picture_s_request_is_not_believed() -> None:
    other = replace(REQUEST, prompt="something else")
    assert not agrees(text_of(REQUEST), other)
    info = PngInfo()
    info.add_text("parameters", text_of(REQUEST))
    info.add_itxt("easel", exact_text(other))
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "PNG", pnginfo=info)
    assert exact_of(out.getvalue()) is None


def test_xmp_that_another_program_wrote_again_is_read() -> None:
    body = exact_text(REQUEST).replace("&", "&amp;").replace("<", "&lt;")
    xmp = f"<x><easel:request>{body}</easel:request></x>".encode()
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + text_of(REQUEST).encode("utf-16-be")
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "JPEG", exif=exif.tobytes(), xmp=xmp)
    assert exact_of(out.getvalue()) == REQUEST


def test_a_jpeg_leaves_out_what_its_segment_cannot_hold() -> None:
    long = replace(REQUEST, prompt="日" * 20_000, negative_prompt="本" * 20_000)
    assert exact_of(file_of(long, "jpeg")) is None
    assert exact_of(file_of(long, "webp")) == long
    assert exact_of(file_of(replace(long, negative_prompt=""), "jpeg")) is not None


def test_a_later_version_s_fields_are_left_out() -> None:
    values = json.loads(exact_text(REQUEST))
    values["txt2img"]["aroma"] = True
    assert exact_request(json.dumps(values)) == REQUEST


@pytest.mark.parametrize(
    "text",
    [None, 5, "", "null", "[]", "{", '{"easel": 2, "txt2img": {"prompt": "a"}}', "[" * 100_000,
     '{"easel": 1}', '{"easel": 1, "txt2img": {"steps": 0}}', "9" * 5000,
     '{"easel": 1, "txt2img": {"prompt": "\\ud800"}}'],
)  # fmt: skip
def test_what_is_no_request(text: object) -> None:
    assert exact_request(text) is None
