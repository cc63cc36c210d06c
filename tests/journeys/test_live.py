"""What is live: a stage that never jumps, title, sound, notification, a picture's actions."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.journeys.actions import (
    average_colour,
    control,
    expect_note,
    fill,
    generate,
    shown_picture,
    wait_progress,
    wait_state,
)
from tests.journeys.conftest import LetGo, Open, Picture, wait_usable
from tests.journeys.serving import Server

SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => {
  for (const e of list.getEntries()) if (!e.hadRecentInput) window.shifts.push(
    [e.value, ...e.sources.map((s) => s.node?.id || s.node?.className || s.node?.nodeName)]);
}).observe({ type: "layout-shift", buffered: true });
"""
HIDDEN = """
Object.defineProperty(document, "hidden", { get: () => Boolean(window.away) });
window.told = [];
window.asked = 0;
window.tones = 0;
window.Notification = class {
  static permission = "default";
  static requestPermission() {
    window.asked += 1;
    return (this.permission = window.answer ?? "granted");
  }
  constructor(title, options) { window.told.push([title, options.body]); }
};
const start = OscillatorNode.prototype.start;
OscillatorNode.prototype.start = function (...given) {
  window.tones += 1;
  return start.apply(this, given);
};
"""


WHERE = """() => {
    window.where = { easel_frame: [], easel_preview: [], easel_picture: [] };
    const look = () => {
        for (const [id, places] of Object.entries(window.where)) {
            const element = document.getElementById(id);
            if (!element.checkVisibility()) continue;
            const b = element.getBoundingClientRect();
            const place = [b.x, b.y, b.width, b.height].map(Math.round).join();
            if (!places.includes(place)) places.push(place);
        }
        requestAnimationFrame(look);
    };
    look();
}"""


@pytest.mark.parametrize(("width", "height"), [(96, 64), (64, 128)])
def test_the_stage_has_the_pictures_shape_from_the_start(
    page: Page, let_go: LetGo, width: int, height: int
) -> None:
    fill(page, prompt="!hold red", width=width, height=height, steps=20)
    page.evaluate(WHERE)
    generate(page)
    page.wait_for_function("window.where.easel_preview.length > 0")
    let_go()
    wait_state(page, "done")
    page.wait_for_function("window.where.easel_picture.length > 0")
    where = page.evaluate("window.where")
    assert where["easel_preview"] == where["easel_picture"] == where["easel_frame"]
    (place,) = where["easel_frame"]
    _, _, wide, high = map(int, place.split(","))
    assert wide / high == pytest.approx(width / height, rel=0.02)


def test_nothing_jumps_while_pictures_arrive(context: BrowserContext, open_page: Open) -> None:
    context.add_init_script(SHIFTS)
    page = open_page()
    page.wait_for_timeout(500)
    page.evaluate("window.shifts.length = 0")
    fill(page, prompt="!slow red", steps=12, batch_count=3, width=96)
    page.evaluate("document.getElementById('txt2img_generate').click()")  # no input that excuses
    wait_progress(page)
    wait_state(page, "done")
    page.wait_for_timeout(300)
    shifts = page.evaluate("window.shifts")
    assert sum(value for value, *_ in shifts) < 0.01, shifts


def test_the_title_tells_how_far_it_is(page: Page, let_go: LetGo) -> None:
    assert page.title() == "Easel"
    fill(page, prompt="!hold red", steps=4)
    generate(page)
    expect(page).to_have_title(re.compile(r"^[1-9]\d? % – Easel$"))
    let_go()
    wait_state(page, "done")
    expect(page).to_have_title("Easel")


def test_sound_and_notification_when_wanted_and_nobody_looks(
    context: BrowserContext, open_page: Open
) -> None:
    context.add_init_script(HIDDEN)
    page = open_page()
    draw_away(page)
    assert page.evaluate("[told, asked, tones]") == [[], 0, 0]
    page.locator("#easel_queue_open").click()
    page.get_by_label("Play a sound").check()
    page.get_by_label("Show a notification").check()
    assert page.evaluate("[asked, tones]") == [1, 2]  # asked on the click; the sound was played
    page.reload()
    wait_usable(page)
    page.evaluate("Notification.permission = 'granted'")
    draw_away(page)
    assert page.evaluate("[told, asked, tones]") == [[["Your pictures are ready", "red"]], 0, 2]
    expect(page).to_have_title("Done – Easel")
    page.evaluate("window.away = false; document.dispatchEvent(new Event('visibilitychange'))")
    expect(page).to_have_title("Easel")
    fill(page, prompt="red", steps=2, seed=91)
    generate(page)
    expect(page.locator("#easel_infotext")).to_contain_text("Seed: 91")
    wait_state(page, "done")
    assert len(page.evaluate("told")) == 1  # somebody looks


def draw_away(page: Page) -> None:
    page.evaluate("window.away = true; window.told.length = 0")
    fill(page, prompt="red", steps=3)
    generate(page)
    expect(page.locator("#easel_state")).to_contain_text("Done in")
    expect(page).to_have_title("Done – Easel")


def test_a_refused_notification_stays_off(context: BrowserContext, open_page: Open) -> None:
    context.add_init_script(HIDDEN + "window.answer = 'denied';")
    page = open_page()
    page.locator("#easel_queue_open").click()
    page.get_by_label("Show a notification").click()
    expect_note(page, "does not allow notifications")
    expect(page.get_by_label("Show a notification")).not_to_be_checked()


def test_reuse_puts_back_what_a_picture_was_made_with(page: Page) -> None:
    fill(page, prompt="red apple", neg_prompt="pear", steps=7, cfg_scale=4.5, width=96, seed=31)
    generate(page)
    wait_state(page, "done")
    changed = {"prompt": "x", "neg_prompt": "y", "steps": 9, "width": 64, "seed": 2}
    fill(page, **changed)
    page.locator("#easel_reuse_prompt").click()
    expect(control(page, "prompt")).to_have_value("red apple")
    expect(control(page, "neg_prompt")).to_have_value("pear")
    expect(control(page, "steps")).to_have_value("9")
    page.locator("#easel_use_seed").click()
    expect(control(page, "seed")).to_have_value("31")
    expect(control(page, "width")).to_have_value("64")
    page.locator("#easel_reuse_all").click()
    expect(control(page, "width")).to_have_value("96")
    expect(control(page, "steps")).to_have_value("7")
    expect(control(page, "cfg_scale")).to_have_value("4.5")


def test_copy_the_picture_itself(context: BrowserContext, page: Page) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    fill(page, prompt="green", steps=2)
    generate(page)
    wait_state(page, "done")
    page.locator("#easel_copy_picture").click()
    expect_note(page, "Picture copied.")
    copied = page.evaluate(
        """async () => {
            const [item] = await navigator.clipboard.read();
            const bitmap = await createImageBitmap(await item.getType("image/png"));
            const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
            const brush = canvas.getContext("2d");
            brush.drawImage(bitmap, 0, 0);
            return [bitmap.width, [...brush.getImageData(5, 5, 1, 1).data]];
        }"""
    )
    assert copied == [64, [30, 160, 60, 255]]


def test_favourite_delete_and_undo(page: Page, server: Server, picture: Picture) -> None:
    fill(page, prompt="!slow a boat", steps=3, batch_count=3, seed=50)
    generate(page)
    wait_state(page, "done")
    thumbnails = page.locator("#txt2img_gallery button")
    expect(thumbnails).to_have_count(3)
    thumbnails.nth(1).click()
    expect(page.locator("#easel_infotext")).to_contain_text("Seed: 51")
    colour = average_colour(shown_picture(page))
    heart = page.locator("#easel_favourite")
    heart.click()
    expect(heart).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#easel_infotext")).to_contain_text("Seed: 51")
    listed = page.evaluate("fetch('api/v1/images?limit=3').then((r) => r.json())")
    assert [i["favourite"] for i in listed["images"]] == [False, True, False], json.dumps(listed)
    page.locator("#easel_delete").click()
    expect(thumbnails).to_have_count(2)
    expect(page.locator("#easel_infotext")).to_contain_text("Seed: 52")
    picture(page, "deleted")
    page.get_by_role("button", name="Undo").click()
    expect(thumbnails).to_have_count(3)
    thumbnails.nth(1).click()
    expect(page.locator("#easel_infotext")).to_contain_text("Seed: 51")
    assert average_colour(shown_picture(page)) == colour
    page.locator("#easel_delete").click()
    expect(thumbnails).to_have_count(2)
    page.reload()
    wait_usable(page)
    expect(thumbnails).to_have_count(2)
    listed = page.evaluate("fetch('api/v1/images?limit=2').then((r) => r.json())")
    assert [i["seed"] for i in listed["images"]] == [52, 50]
    assert len(server.pictures()) >= 2
