"""The form offers the files that are in the folder of models when the page is opened."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.journeys.actions import control, fill, generate
from tests.journeys.conftest import Open, wait_usable
from tests.journeys.serving import Server
from tests.journeys.test_extras import header

NAME = "2x_Late"


@pytest.fixture
def late(server: Server) -> Iterator[Path]:
    """An upscaler that came after the server was started."""
    folder = server.folder / "models" / "upscalers"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{NAME}.safetensors"
    file.write_bytes(header("conv_first.weight", "conv_body.weight"))
    yield file
    file.unlink(missing_ok=True)


def upscaler(page: Page) -> Locator:
    """The field, in the section that has to be opened first."""
    page.locator("#txt2img_section_hires button").first.click()
    return control(page, "hr_upscaler")


def test_an_upscaler_that_came_later_is_offered(open_page: Open, late: Path) -> None:
    page = open_page()
    field = upscaler(page)
    field.click()
    page.get_by_role("option", name=NAME).click()
    fill(page, prompt="red", steps=1)
    page.get_by_label("Hires. fix", exact=True).check()
    with page.expect_response("**/api/v1/txt2img") as posted:
        generate(page)
    request = json.loads(posted.value.request.post_data or "{}")
    assert request["hires_upscaler"] == NAME
    assert posted.value.ok
    page.reload()
    wait_usable(page)
    expect(upscaler(page)).to_have_value(NAME)
    late.unlink()
    page.reload()
    wait_usable(page)
    field = upscaler(page)
    expect(field).to_have_value("Latent")
    field.click()
    expect(page.get_by_role("option", name="Lanczos")).to_be_visible()
    expect(page.get_by_role("option", name=NAME)).to_have_count(0)
