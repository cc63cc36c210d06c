"""A1111's text, written and read: exactly its format, and never a crash on anyone's text."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webui.core.errors import InvalidRequest
from webui.core.requests import Txt2Img
from webui.core.samplers import NOISE_SOURCES, SAMPLERS, SCHEDULES
from webui.metadata import infotext, parse, to_request, usable

FULL = Txt2Img(
    prompt="a red circle, (white:1.2) background",
    negative_prompt="blurry\nugly",
    checkpoint="easel-starter",
    sampler="DPM++ 2M",
    scheduler="Karras",
    steps=28,
    width=512,
    height=768,
    cfg_scale=7.5,
    seed=1,
    clip_skip=2,
    noise_source="CPU",
)


def text_of(request: Txt2Img, model_hash: str | None = "0123456789") -> str:
    return infotext(request, seed=request.seed, model_hash=model_hash, version="easel-0.1.0")


def test_it_is_written_as_a1111_writes_it() -> None:
    assert text_of(FULL) == (
        "a red circle, (white:1.2) background\n"
        "Negative prompt: blurry\n"
        "ugly\n"
        "Steps: 28, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7.5, Seed: 1, "
        "Size: 512x768, Model hash: 0123456789, Model: easel-starter, Clip skip: 2, RNG: CPU, "
        "Version: easel-0.1.0"
    )


def test_what_is_not_known_or_usual_is_left_out() -> None:
    request = Txt2Img(prompt="", cfg_scale=7, seed=5)
    assert text_of(request, None) == (
        "Steps: 20, Sampler: Euler a, Schedule type: Automatic, CFG scale: 7, Seed: 5, RNG: NV, "
        "Version: easel-0.1.0"
    )


def test_the_seed_is_the_picture_s_own() -> None:
    text = infotext(FULL, seed=77, model_hash=None, version="easel-0.1.0")
    assert parse(text)["Seed"] == "77"


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("plain name v1.5", "Model: plain name v1.5,"),
        ("sub/name", "Model: sub/name,"),
        ("a, b: c", 'Model: "a, b: c",'),
        ('say "hi"', 'Model: say "hi",'),
        ('"quoted"', r'Model: "\"quoted\"",'),
        ("line\nbreak", r'Model: "line\nbreak",'),
        ("512x512", "Model: 512x512,"),
        ("ü, 日本", 'Model: "ü, 日本",'),
    ],
)
def test_values_are_quoted_only_where_needed(name: str, written: str) -> None:
    text = text_of(replace(FULL, checkpoint=name))
    assert written in text
    assert to_request(parse(text)).checkpoint == name


VARIED = replace(FULL, variation_seed=9, variation_strength=0.3, tiling=True)


def test_variation_and_tiling_stand_where_a1111_has_them() -> None:
    text = infotext(VARIED, seed=1, variation_seed=12, model_hash=None, version="v")
    assert text.endswith(
        "Size: 512x768, Model: easel-starter, Variation seed: 12, Variation seed strength: 0.3, "
        "Clip skip: 2, RNG: CPU, Tiling: True, Version: v"
    )
    assert to_request(parse(text)) == replace(VARIED, variation_seed=12)


def test_without_a_variation_nothing_is_written_and_an_earlier_one_is_put_back() -> None:
    text = text_of(replace(FULL, variation_seed=9))
    assert "Variation" not in text
    assert "Tiling" not in text
    values = usable(parse(text)).values
    assert (values["variation_strength"], values["tiling"]) == (0.0, False)
    assert "variation_strength" not in usable(parse("only a prompt")).values


FROM_A1111 = """\
girl with an artist's beret, ((eyeshadow))
second line
Negative prompt: ugly, fat, (((deformed))), [blurry]
Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 965400086, Size: 512x512, Model hash: 45dee52b"""


def test_a_text_of_a1111_is_read() -> None:
    assert parse(FROM_A1111) == {
        "Prompt": "girl with an artist's beret, ((eyeshadow))\nsecond line",
        "Negative prompt": "ugly, fat, (((deformed))), [blurry]",
        "Steps": "20",
        "Sampler": "Euler a",
        "CFG scale": "7",
        "Seed": "965400086",
        "Size-1": "512",
        "Size-2": "512",
        "Model hash": "45dee52b",
        "Clip skip": "1",
        "Schedule type": "Automatic",
        "RNG": "NV",
    }
    request = to_request(parse(FROM_A1111))
    assert (request.steps, request.seed, request.width) == (20, 965400086, 512)
    assert request.noise_source == "NV"


def test_old_sampler_names_and_foreign_keys_are_read() -> None:
    text = (
        "x\nSteps: 5, Sampler: DPM++ 2M Karras, CFG scale: 6.0, Seed: 3, Size: 64x64, "
        'Lora hashes: "a: 12, b: 34", Hires resize: 128x96, Version: v1.7.0'
    )
    parsed = parse(text)
    assert parsed["Lora hashes"] == "a: 12, b: 34"
    assert (parsed["Hires resize-1"], parsed["Hires resize-2"]) == ("128", "96")
    request = to_request(parsed)
    assert (request.sampler, request.scheduler, request.cfg_scale) == ("DPM++ 2M", "Karras", 6.0)


def test_fewer_than_three_pairs_are_prompt() -> None:
    assert parse("a cat, Steps: 3, really") == {
        "Prompt": "a cat, Steps: 3, really",
        "Negative prompt": "",
    }
    assert parse("") == {"Prompt": "", "Negative prompt": ""}


def test_what_cannot_be_used_is_told_and_the_rest_taken() -> None:
    text = "x\nSteps: 9999, Sampler: UniPC, CFG scale: 5, Seed: 3, Size: 100x64"
    with pytest.raises(InvalidRequest):
        to_request(parse(text))
    result = usable(parse(text))
    assert result.values["cfg_scale"] == 5.0
    assert result.values["height"] == 64
    assert not {"steps", "sampler", "width"} & set(result.values)
    assert len(result.problems) == 3
    assert any("no sampler 'UniPC'" in p for p in result.problems)
    Txt2Img.from_mapping(result.values)


PARAMETERS_IN_PROMPT = "Steps: 3, Sampler: Heun, Seed: 9, Size: 8x8"


@pytest.mark.parametrize(
    "prompt",
    [
        PARAMETERS_IN_PROMPT,
        f"a\n{PARAMETERS_IN_PROMPT}",
        'a "quoted" \\ thing: x, y',
        "a\n\nb\n",
        "trailing, Negative prompt: inside a line",
    ],
)
def test_prompts_that_look_like_parameters_come_back(prompt: str) -> None:
    request = replace(FULL, prompt=prompt)
    assert to_request(parse(text_of(request))) == request


def as_the_format_keeps_it(prompt: str) -> str:
    """What A1111's format can hold of a prompt: lines without the spaces around them."""
    lines = [line.strip() for line in prompt.split("\n")]
    while lines and not lines[0]:
        lines.pop(0)
    return "\n".join(lines)


prompts = st.text(
    st.characters(codec="utf-8") | st.sampled_from(' \n\t":,\\()[]{}<>'), max_size=80
).filter(lambda text: "Negative prompt:" not in text)
requests = st.builds(
    Txt2Img,
    prompt=prompts,
    negative_prompt=prompts,
    checkpoint=st.text(st.characters(codec="utf-8"), min_size=1, max_size=40),
    sampler=st.sampled_from(SAMPLERS.names()),
    scheduler=st.sampled_from(SCHEDULES.names()),
    noise_source=st.sampled_from(NOISE_SOURCES.names()),
    steps=st.integers(1, 150),
    width=st.integers(2, 200).map(lambda n: 8 * n),
    height=st.integers(2, 200).map(lambda n: 8 * n),
    cfg_scale=st.floats(1, 30),
    seed=st.integers(0, 2**32 - 1),
    clip_skip=st.integers(1, 12),
)


@given(requests)
@settings(max_examples=300, deadline=None)
def test_every_request_survives_the_text(request: Txt2Img) -> None:
    kept = replace(
        request,
        prompt=as_the_format_keeps_it(request.prompt),
        negative_prompt=as_the_format_keeps_it(request.negative_prompt),
    )
    assert to_request(parse(text_of(request))) == kept


@given(st.text(max_size=300) | st.text('ab:,"\\ \n1x', max_size=300))
@settings(max_examples=300, deadline=None)
def test_any_text_is_read_without_a_crash(text: str) -> None:
    parsed = parse(text)
    result = usable(parsed)
    Txt2Img.from_mapping(result.values)
    assert all(p.endswith((".", "?")) for p in result.problems)


@pytest.mark.parametrize(
    "line",
    [
        "a" * 300_000,
        " " * 300_000 + ":",
        "a " * 150_000,
        'a:"' * 100_000,
        'a:"\\",' * 50_000,
        "\\" * 300_000,
    ],
)
def test_hostile_texts_are_read_in_no_time(line: str) -> None:
    parse("x\n" + line)
    parse("x\n" + line + ", a: b, c: d, e: f")
