"""A1111's text, written and read: exactly its format, and never a crash on anyone's text."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.metadata.strategies import REQUESTS
from webui.core.errors import InvalidRequest
from webui.core.params import fields_of
from webui.core.requests import DrawRequest, Img2Img, Txt2Img
from webui.metadata import infotext, parse, to_request, usable
from webui.metadata.dialects import a1111_version, program
from webui.metadata.exact import agrees, exact_request, exact_text
from webui.metadata.parsing import NEVER_WRITTEN, keys

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


def text_of_any(request: DrawRequest) -> str:
    return infotext(request, seed=request.seed, model_hash=None, version="easel-0.1.0")


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


EVERYTHING = replace(
    VARIED, emphasis="No norm", noise_schedule="Zero Terminal SNR", discard_penultimate=True,
    sigma_min=0.03, sigma_max=14.6, rho=5.0, eta=0.5, s_churn=2.0, s_tmin=0.1, s_tmax=9.0,
    s_noise=1.003, ensd=31337, unipc_variant="bh2", unipc_skip="logSNR", unipc_order=2,
    unipc_lower_order_final=False, skip_early_cfg=0.25, ngms=3.0, cfg_rescale=0.7,
    guidance_start=0.1, guidance_end=0.9, dynamic_threshold=0.995, perp_neg=1.0,
    seed_resize_width=512, seed_resize_height=768, best_of=4,
)  # fmt: skip


def test_every_key_stands_where_a1111_has_it() -> None:
    extras = {"Lora hashes": "a: 12", "Template": "a {b|c}", "TI hashes": ""}
    text = infotext(
        EVERYTHING, seed=1, model_hash=None, version="v", clip_score=31.25, extras=extras
    )
    assert text.splitlines()[-1].partition("Size: 512x768, ")[2] == (
        "Model: easel-starter, Variation seed: 9, Variation seed strength: 0.3, "
        "Seed resize from: 512x768, Clip skip: 2, ENSD: 31337, RNG: CPU, Tiling: True, "
        'Lora hashes: "a: 12", Template: a {b|c}, '
        "Emphasis: No norm, Noise Schedule: Zero Terminal SNR, Discard penultimate sigma: True, "
        "Schedule min sigma: 0.03, Schedule max sigma: 14.6, Schedule rho: 5, "
        "Eta: 0.5, Sigma churn: 2, Sigma tmin: 0.1, Sigma tmax: 9, Sigma noise: 1.003, "
        "UniPC variant: bh2, UniPC skip type: logSNR, UniPC order: 2, "
        "UniPC lower order final: False, Skip Early CFG: 0.25, NGMS: 3, "
        "Best of: 4, CFG rescale: 0.7, Guidance start: 0.1, Guidance end: 0.9, "
        "Dynamic thresholding percentile: 0.995, Perp-Neg: 1, CLIP score: 31.2, Version: v"
    )
    assert to_request(parse(text)) == EVERYTHING


def test_every_field_is_told_or_known_not_to_be() -> None:
    fields = {f.name: f for kind in (Txt2Img, Img2Img) for f in fields_of(kind)}
    pictures = {name for name, f in fields.items() if f.param.control == "picture"}
    assert set(fields) - pictures == {*keys(), *NEVER_WRITTEN}


def test_a_second_pass_is_written_and_read_as_a1111_writes_it() -> None:
    request = replace(
        FULL,
        hires=True,
        hires_upscaler="Latent (bicubic)",
        hires_steps=12,
        denoising_strength=0.55,
        hires_scale=1.5,
        hires_sampler="Euler",
        hires_prompt="a blue circle, large",
    )
    text = text_of(request)
    assert "Model: easel-starter, Denoising strength: 0.55, Clip skip: 2, RNG: CPU" in text
    assert (
        'Hires sampler: Euler, Hires prompt: "a blue circle, large", Hires upscale: 1.5, '
        "Hires steps: 12, Hires upscaler: Latent (bicubic), Version" in text
    )
    assert to_request(parse(text)) == request
    sized = replace(request, hires_scale=2.0, hires_width=640, hires_height=0)
    assert "Hires resize: 640x0, " in text_of(sized)
    assert to_request(parse(text_of(sized))) == sized
    assert "Hires" not in text_of(replace(request, hires=False))
    theirs = (
        "a\nSteps: 20, Sampler: Euler, Seed: 1, Denoising strength: 0.4, Hires upscaler: Latent"
    )
    assert to_request(parse(theirs)).hires
    assert not to_request(parse(text_of(FULL))).hires


def test_what_was_drawn_over_a_picture_is_written_as_a1111_writes_it() -> None:
    request = Img2Img(prompt="a", init_image="1", seed=1, width=64, height=64, mask_blur=8)
    assert "Denoising strength: 0.75, RNG: NV, Version" in text_of_any(request)
    masked = replace(
        request,
        mask="2",
        masked_content="latent noise",
        mask_mode="Inpaint not masked",
        inpaint_area="Only masked",
        resize_mode="Crop and resize",
    )
    assert (
        "Resize mode: Crop and resize, Mask blur: 8, Mask mode: Inpaint not masked, "
        "Masked content: latent noise, Inpaint area: Only masked, Masked area padding: 32"
        in text_of_any(masked)
    )
    values = usable(parse(text_of_any(masked))).values
    told = ("mask_blur", "mask_mode", "masked_content", "inpaint_area", "masked_padding",
            "resize_mode", "denoising_strength")  # fmt: skip
    assert {name: values[name] for name in told} == {n: getattr(masked, n) for n in told}
    back = exact_request(exact_text(masked))
    assert isinstance(back, Img2Img)
    assert replace(back, init_image="1", mask="2") == masked
    assert (len(back.init_image), len(back.mask)) == (64, 64), "which pictures is not told"
    assert agrees(text_of_any(masked), back)
    assert not agrees(text_of_any(masked), request)


def test_keys_that_are_absent_mean_their_usual_values() -> None:
    text = text_of(FULL).replace(", RNG: CPU", "")
    values = usable(parse(text)).values
    usual = {f.name: f.default for f in fields_of(Txt2Img)}
    assert values["noise_source"] == "NV"
    for name in ("eta", "s_churn", "ngms", "emphasis", "cfg_rescale", "ensd", "unipc_order",
                 "seed_resize_width", "noise_schedule"):  # fmt: skip
        assert values[name] == usual[name]
    assert not set(NEVER_WRITTEN) & set(values)


@pytest.mark.parametrize("sampler", ["DDIM", "Euler a"])
def test_eta_has_two_names(sampler: str) -> None:
    request = replace(FULL, sampler=sampler, eta=0.5)
    text = text_of(request)
    assert ("Eta DDIM: 0.5" in text) == (sampler == "DDIM")
    assert to_request(parse(text)) == request
    other = text.replace("Eta DDIM", "Eta") if sampler == "DDIM" else text
    assert to_request(parse(other.replace("Eta:", "Eta DDIM:"))).eta == (
        0.5 if sampler == "DDIM" else None
    )


@pytest.mark.parametrize(
    ("sampler", "version", "schedule"),
    [
        ("DPM++ 2M", "v1.6.0", "Uniform"),
        ("DPM++ 2M", "v1.8.0-RC-12-gabc", "Uniform"),
        ("DPM++ 2M", "f0.0.17v1.8.0rc-latest-276-g29be1da7", "Uniform"),
        ("DPM++ 2M SDE", "v1.3.2", "Uniform"),
        ("DPM++ 2M Karras", "v1.6.0", "Karras"),
        ("Euler a", "v1.6.0", "Automatic"),
        ("DPM++ 2M", "v1.9.0", "Automatic"),
        ("DPM++ 2M", "v1.10.1", "Automatic"),
        ("DPM++ 2M", "f2.0.1v1.10.1-previous-669-gdfdcbab6", "Automatic"),
        ("DPM++ 2M", "easel-0.1.0", "Automatic"),
        ("DPM++ 2M", "1.6.0", "Automatic"),
    ],
)
def test_a_sampler_s_name_alone_meant_another_schedule_once(sampler, version, schedule) -> None:
    text = f"x\nSteps: 5, Sampler: {sampler}, CFG scale: 6, Seed: 3, Version: {version}"
    assert to_request(parse(text)).scheduler == schedule
    chosen = text.replace("CFG", "Schedule type: exponential, CFG")
    if "Karras" not in sampler:
        assert to_request(parse(chosen)).scheduler == "Exponential"


def test_versions_are_read() -> None:
    assert a1111_version("v1.6.0-2-g4afaaf8a") == (1, 6, 0)
    assert a1111_version("f0.0.17v1.8.0rc-latest-276-g29be1da7") == (1, 8, 0)
    assert a1111_version("v1.10") == (1, 10, 0)
    for other in ("", "1.6.0", "ComfyUI", "easel-1.0.0", "vv1.2.3", "v1.2.3.4", "v" * 10_000):
        assert a1111_version(other) is None


@pytest.mark.parametrize(
    ("version", "name"),
    [
        ("v1.10.1", "AUTOMATIC1111"),
        ("f2.0.1v1.10.1-previous-669-gdfdcbab6", "Forge"),
        ("easel-0.1.0", "Easel"),
        ("ComfyUI", "ComfyUI"),
        ("Fooocus v2.5.5", "Fooocus"),
        ("something", "A1111 format"),
    ],
)
def test_who_wrote_it_is_told(version: str, name: str) -> None:
    text = f"x\nSteps: 5, Sampler: Euler, CFG scale: 6, Seed: 3, Version: {version}"
    assert program(parse(text)) == name
    assert program(parse("only a prompt")) == ""


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
    text = "x\nSteps: 9999, Sampler: Zigzag, CFG scale: 5, Seed: 3, Size: 100x64"
    with pytest.raises(InvalidRequest):
        to_request(parse(text))
    result = usable(parse(text))
    assert result.values["cfg_scale"] == 5.0
    assert result.values["height"] == 64
    assert not {"steps", "sampler", "width"} & set(result.values)
    assert len(result.problems) == 3
    assert any("no sampler 'Zigzag'" in p for p in result.problems)
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


def as_the_text_says_it(request: Txt2Img) -> Txt2Img:
    """A request as far as A1111's text has words for it."""
    off: dict[str, object] = {"batch_count": 1, "batch_size": 1, "clip_score": False}
    if not (request.width and request.height):
        off |= {"width": None, "height": None}
    if not (request.seed_resize_width and request.seed_resize_height):
        off |= {"seed_resize_width": 0, "seed_resize_height": 0}
    if not request.variation_strength:
        off |= {"variation_seed": -1}
    prompts = {name: getattr(request, name) for name in ("prompt", "negative_prompt")}
    off |= {name: as_the_format_keeps_it(text) for name, text in prompts.items()}
    return replace(request, **off)


def is_plain(request: Txt2Img) -> bool:
    return "Negative prompt:" not in request.prompt + request.negative_prompt


@given(REQUESTS.filter(is_plain))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_request_survives_the_text(request: Txt2Img) -> None:
    assert to_request(parse(text_of(request))) == as_the_text_says_it(request)


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
