"""Flags come from declarations, and what they say arrives."""

import argparse

import pytest

from webui import flags
from webui.cli import main
from webui.core.errors import InvalidRequest
from webui.core.params import fields_of
from webui.core.requests import Img2Img, Txt2Img


def parse(*words: str) -> dict[str, object]:
    """The request fields that these words give."""
    parser = argparse.ArgumentParser()
    flags.add_request(parser, Txt2Img, "prompt")
    valued = [f.flag for f in fields_of(Txt2Img)]
    return flags.request_from(parser.parse_args(flags.with_value(words, valued)), Txt2Img, "prompt")


def test_every_request_field_is_a_flag(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["generate", "--help"])
    text = capsys.readouterr().out
    flagless = ("prompt", "init_image")
    fields = [f for kind in (Txt2Img, Img2Img) for f in fields_of(kind) if f.name not in flagless]
    assert [f.flag for f in fields if f"{f.flag} " not in text] == []
    assert "--image FILE" in text


def test_values_arrive_with_their_type() -> None:
    found = parse("a cat", "--steps", "7", "--cfg-scale", "3.5", "--sampler", "DPM++ 2M")
    assert found == {"prompt": "a cat", "steps": 7, "cfg_scale": 3.5, "sampler": "DPM++ 2M"}


def test_a_negative_seed_is_a_value() -> None:
    assert parse("x", "--seed", "-1") == {"prompt": "x", "seed": -1}


def test_what_is_not_given_is_left_to_the_defaults() -> None:
    assert parse("x") == {"prompt": "x"}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--steps", "0"], "Sampling steps is 0; the least is 1."),
        (["--steps", "many"], "Sampling steps is 'many', not a number."),
        (["--cfg-scale", "nan"], "CFG Scale is nan, not a finite number."),
        (["--width", "65"], "Width is 65, not a multiple of 8; 64 is near."),
    ],
)
def test_a_bad_value_is_one_sentence(words: list[str], sentence: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse("x", *words)
    assert caught.value.message == sentence


@pytest.mark.parametrize(("text", "size"), [("128x64", (128, 64)), ("64 × 8", (64, 8))])
def test_size_is_width_by_height(text: str, size: tuple[int, int]) -> None:
    assert flags.parse_size(text) == size


@pytest.mark.parametrize("text", ["128", "x", "12x-3", "axb", "1x2x3"])
def test_a_bad_size_says_how_to_write_it(text: str) -> None:
    with pytest.raises(InvalidRequest, match="write it like 512x768"):
        flags.parse_size(text)


@pytest.mark.parametrize(
    "words",
    [
        ["generate", "x", "--sampler", "Eulr"],
        ["generate", "x", "--size", "65x64"],
        ["generate", "x", "--count", "0"],
        ["generate", "x", "--size", "9000x9000"],
    ],
)
def test_bad_input_ends_with_status_2_and_one_line(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    error = capsys.readouterr().err
    assert error.startswith("easel: ")
    assert error.count("\n") == 1
