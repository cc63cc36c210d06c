"""Scripts on the page: axes are chosen and counted, Generate draws them as one job with a grid."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.actions import expect_toast, fill, generate, wait_state
from tests.journeys.conftest import Open, Picture, wait_usable
from tests.journeys.serving import Server, running

INFOTEXT = """oil painting of a lighthouse, thick
Negative prompt: photo
Steps: 7, Sampler: Euler, CFG scale: 4.5, Seed: 123, Size: 128x64"""
STYLES = 'name,prompt,negative_prompt\nOil,"oil painting of {prompt}, thick",photo\n'


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a style."""
    folder = tmp_path_factory.mktemp("furnished")
    (folder / "data").mkdir()
    (folder / "data" / "styles.csv").write_text(STYLES, encoding="utf-8")
    with running(folder) as server:
        yield server


def choose_script(page: Page, label: str) -> None:
    accordion = page.locator("#txt2img_script > button, #txt2img_script .label-wrap").first
    if not page.locator("#txt2img_script_list").is_visible():
        accordion.click()
    page.locator("#txt2img_script_list").select_option(label=label)


def choose_axis(page: Page, place: str, label: str, values: str) -> None:
    page.locator(f"#txt2img_sweep_{place}").select_option(label=label)
    page.locator(f"#txt2img_sweep_{place}_values").fill(values)


def counted(page: Page, text: str) -> None:
    expect(page.locator("#txt2img_sweep_count")).to_have_text(text)


def test_a_plot_is_counted_drawn_and_shown_with_its_grid(page: Page, picture: Picture) -> None:
    fill(page, prompt="a red ball", steps=2, seed=5)
    choose_script(page, "X/Y/Z plot")
    choose_axis(page, "x", "Prompt S/R", "red, blue, yellow")
    counted(page, "3 pictures")
    choose_axis(page, "y", "CFG Scale", "3-7 (+2)")
    counted(page, "9 pictures")
    page.locator("#txt2img_sweep_count").scroll_into_view_if_needed()
    picture(page, "sweep_form")
    generate(page)
    wait_state(page, "done")
    expect(page.locator("#txt2img_gallery button:not(:disabled)")).to_have_count(10)
    expect(page.locator("#easel_infotext")).to_contain_text("Script: X/Y/Z plot")
    loaded = "(image) => image.decode().then(() => image.naturalWidth)"
    assert page.locator("#easel_picture img").evaluate(loaded) > 3 * 64
    picture(page, "sweep_grid")
    # What a picture of it was made with goes into the form, its place's words too.
    page.locator("#txt2img_gallery button").nth(4).click()
    expect(page.locator("#easel_infotext")).to_contain_text("a blue ball")
    page.locator("#easel_reuse_all").click()
    expect(page.locator("#txt2img_prompt textarea")).to_have_value("a blue ball")
    expect(page.locator("#txt2img_cfg_scale input[type=number]")).to_have_value("5")


def test_bad_values_are_said_at_once_and_draw_nothing(page: Page) -> None:
    choose_script(page, "X/Y/Z plot")
    choose_axis(page, "x", "Sampling steps", "1, many")
    line = page.locator("#txt2img_sweep_count")
    expect(line).to_contain_text("not a number")
    expect(page.locator("#txt2img_sweep_x_values")).to_have_attribute("aria-invalid", "true")
    generate(page)
    expect_toast(page, "not a number")
    page.locator("#txt2img_sweep_x_values").fill("1, 2")
    counted(page, "2 pictures")


def test_names_are_offered_and_taken_with_the_keyboard(page: Page) -> None:
    choose_script(page, "X/Y/Z plot")
    page.locator("#txt2img_sweep_x").select_option(label="Checkpoint")
    box = page.locator("#txt2img_sweep_x_values")
    box.focus()
    box.press_sequentially("fir")
    expect(page.locator(".easel-complete [role=option]")).to_have_text(["first"])
    box.press("ArrowDown")
    box.press("Enter")
    expect(box).to_have_value("first")
    box.press_sequentially(", sec")
    box.press("ArrowDown")
    box.press("Enter")
    expect(box).to_have_value("first, second")
    counted(page, "2 pictures, 1 checkpoint switch")


def test_matrix_and_lines(page: Page) -> None:
    fill(page, prompt="ball|red|old", steps=1)
    choose_script(page, "Prompt matrix")
    counted(page, "4 pictures")
    choose_script(page, "Prompts from file or textbox")
    page.locator("#txt2img_sweep_text").fill("red\n--prompt green --steps 2")
    counted(page, "2 pictures")
    generate(page)
    wait_state(page, "done")
    expect(page.locator("#txt2img_gallery button:not(:disabled)")).to_have_count(2)
    page.reload()
    wait_usable(page)
    choose_script(page, "Prompts from file or textbox")
    expect(page.locator("#txt2img_sweep_text")).to_have_value("red\n--prompt green --steps 2")
    choose_script(page, "None")
    counted(page, "")


def test_styles_of_a_pasted_text_are_chosen(open_page: Open, furnished: Server) -> None:
    page = open_page(furnished)
    prompt = page.locator("#txt2img_prompt textarea")
    prompt.fill(INFOTEXT)
    page.locator("#paste").click()
    expect(prompt).to_have_value("a lighthouse")
    expect(page.locator("#txt2img_style_chips button")).to_contain_text(["Oil"])
    generate(page)
    wait_state(page, "done")
    expect(page.locator("#easel_infotext")).to_contain_text("oil painting of a lighthouse, thick")
