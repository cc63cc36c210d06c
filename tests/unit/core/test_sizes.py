"""Sizes of second passes and of pictures that are drawn over; what counts as how many steps."""

from __future__ import annotations

import pytest

from webui.core.errors import InvalidRequest
from webui.core.picture_fields import MAX_SIDE, MIN_SIDE
from webui.core.requests import MAX_PIXELS, Img2Img, Txt2Img, drawn_from
from webui.core.sizes import hires_size, own_size, partial_steps, second_pass_steps


@pytest.mark.parametrize(
    ("size", "scale", "wanted", "scaled", "final"),
    [
        ((512, 512), 2.0, (0, 0), (1024, 1024), (1024, 1024)),
        ((512, 768), 1.5, (0, 0), (768, 1152), (768, 1152)),
        ((512, 512), 1.05, (0, 0), (536, 536), (536, 536)),
        ((512, 768), 2.0, (768, 0), (768, 1152), (768, 1152)),
        ((512, 768), 2.0, (0, 768), (512, 768), (512, 768)),
        ((512, 512), 2.0, (1024, 768), (1024, 1024), (1024, 768)),
        ((512, 512), 2.0, (768, 1024), (1024, 1024), (768, 1024)),
        ((768, 512), 2.0, (1024, 1024), (1536, 1024), (1024, 1024)),
        ((8, 8), 1.0, (0, 0), (8, 8), (8, 8)),
    ],
)
def test_what_a_second_pass_draws_at(
    size: tuple[int, int],
    scale: float,
    wanted: tuple[int, int],
    scaled: tuple[int, int],
    final: tuple[int, int],
) -> None:
    found = hires_size(size, scale, wanted)
    assert (found.scaled, found.final) == (scaled, final)


@pytest.mark.parametrize(
    ("steps", "strength", "second", "partial"),
    [  # A1111's setup_img2img_steps, with and without a number of steps of its own
        (20, 0.5, (40, 20), (20, 11)),
        (20, 0.7, (28, 20), (20, 15)),
        (20, 0.75, (26, 20), (20, 16)),
        (20, 1.0, (20, 20), (20, 20)),
        (20, 0.01, (2000, 20), (20, 1)),
        (1, 0.3, (3, 1), (1, 1)),
        (20, 0.0, (0, 0), (20, 0)),
    ],
)
def test_how_many_steps_are_taken(
    steps: int, strength: float, second: tuple[int, int], partial: tuple[int, int]
) -> None:
    assert second_pass_steps(steps, strength) == second
    assert partial_steps(steps, strength) == partial


@pytest.mark.parametrize(
    ("size", "given", "expected"),
    [
        ((640, 480), (0, 0), (640, 480)),
        ((641, 487), (0, 0), (640, 480)),
        ((3, 3), (0, 0), (16, 16)),
        ((8192, 4096), (0, 0), (4096, 2048)),
        ((4096, 4096), (0, 0), (2896, 2896)),
        ((100, 10_000), (0, 0), (40, 4096)),
        ((640, 480), (320, 0), (320, 240)),
        ((640, 480), (0, 960), (1280, 960)),
        ((640, 480), (64, 512), (64, 512)),
        ((16, 4096), (64, 0), (64, 4096)),
    ],
)
def test_what_a_picture_is_drawn_over_at(
    size: tuple[int, int], given: tuple[int, int], expected: tuple[int, int]
) -> None:
    found = own_size(size, given, MIN_SIDE, MAX_SIDE, MAX_PIXELS)
    assert found == expected
    if given == (0, 0):
        assert found[0] * found[1] <= MAX_PIXELS
    assert Img2Img(width=found[0], height=found[1]).width == expected[0]


def test_names_of_a_second_pass_may_be_written_as_anybody_does() -> None:
    request = Txt2Img(hires=True, hires_sampler="DPM++ 2M Karras", hires_upscaler="latent")
    assert (request.hires_sampler, request.hires_scheduler) == ("DPM++ 2M", "Karras")
    assert request.hires_upscaler == "Latent"
    same = Txt2Img(hires_sampler="use same", hires_scheduler="karras")
    assert (same.hires_sampler, same.hires_scheduler) == ("Use same", "Karras")
    for field in ("hires_sampler", "hires_scheduler"):
        with pytest.raises(InvalidRequest) as told:
            Txt2Img.from_mapping({field: "nonesuch"})
        assert told.value.field == field


def test_a_second_pass_that_would_be_too_large_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="4096×4096") as told:
        Txt2Img(width=2048, height=2048, hires=True)
    assert told.value.field == "hires_scale"
    assert Txt2Img(width=2048, height=2048).final_size == (2048, 2048)


@pytest.mark.parametrize(
    ("values", "field", "said"),
    [
        ({"hires_width": 8}, "hires_width", "8×8"),
        # 64×4096 is small, but 1048576×4096 would be enlarged and then cut.
        (
            {"width": 4096, "height": 16, "hires_width": 64, "hires_height": 4096},
            "hires_width",
            "1048576×4096",
        ),
        ({"hires_cfg_scale": 0.5}, "hires_cfg_scale", "0.5"),
    ],
)
def test_a_second_pass_that_cannot_be_drawn_is_refused(
    values: dict[str, float], field: str, said: str
) -> None:
    with pytest.raises(InvalidRequest, match=said) as told:
        Txt2Img.from_mapping({"width": 64, "height": 64, "hires": True, **values})
    assert told.value.field == field
    Txt2Img.from_mapping({"width": 64, "height": 64, **values})


def test_a_request_comes_back_as_its_own_kind() -> None:
    from dataclasses import asdict

    for request in (Txt2Img(prompt="a", hires=True), Img2Img(prompt="a", init_image="b" * 64)):
        assert drawn_from(asdict(request)) == request
