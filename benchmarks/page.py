"""What the page costs a person: until it can be used, from tab to tab, and until the first picture.

One command, with the real worker and the shipped checkpoint in Chromium: seconds until usable of a
first and of later visits, milliseconds from the click on a tab to its content on the screen,
size of the HTML under gzip, layout shift while a job of four pictures is drawn, and the path of a
first-time visitor from ``webui serve`` to the first picture: seconds and clicks. What an
installation takes before that, ``python launch.py`` says by itself.
"""

from __future__ import annotations

import argparse
import gzip
import os
import statistics
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from benchmarks.common import report
from benchmarks.start import first_page, free_port, server

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PROMPT = "a yellow star on a blue background"
WAIT_MS = 120_000
SHIFTS = """
window.shift = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shift += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""
# From the click until the tab's content has been painted: two frames after it is in the page.
CHANGE = """(name) => new Promise((resolve) => {
  const tab = [...document.querySelectorAll("#easel_tabs [role=tab]")]
    .find((t) => t.textContent.trim() === name && t.checkVisibility());
  const begun = performance.now();
  tab.click();
  const look = () => {
    const panel = [...document.querySelectorAll("#easel_tabs [role=tabpanel]")]
      .find((p) => p.checkVisibility() && p.getAttribute("aria-labelledby") === tab.id);
    const chosen = tab.getAttribute("aria-selected") === "true";
    const there = chosen && (!panel || panel.clientHeight > 0);
    if (!there) return requestAnimationFrame(look);
    requestAnimationFrame(() => requestAnimationFrame(() => resolve(performance.now() - begun)));
  };
  look();
})"""
DONE = "document.documentElement.dataset.easelState === 'done'"


def wait_usable(page: Any) -> None:
    """Until Generate can be pressed and the scripts have filled the form in."""
    page.wait_for_selector("#txt2img_generate", timeout=WAIT_MS)
    page.wait_for_selector("#easel_state:not(:empty)", state="attached", timeout=WAIT_MS)
    page.wait_for_function(
        "document.querySelector('#txt2img_checkpoint input')?.value", timeout=WAIT_MS
    )


def visit(context: Any, url: str) -> float:
    """Seconds until the page is usable."""
    page = context.new_page()
    begun = time.perf_counter()
    page.goto(url, timeout=WAIT_MS)
    wait_usable(page)
    seconds = time.perf_counter() - begun
    page.close()
    return seconds


def tab_changes(page: Any, rounds: int) -> dict[str, dict[str, float]]:
    """Milliseconds to each tab: the first time, when it is built, and the median of later ones."""
    names = page.locator("#easel_tabs > .tab-wrapper [role=tab]:visible").all_inner_texts()
    times: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in [*names[1:], names[0]]:
            times[name].append(page.evaluate(CHANGE, name))
    return {
        name: {"first_ms": found[0], "median_ms": statistics.median(found[1:])}
        for name, found in times.items()
    }


def layout_shift(page: Any) -> float:
    """Cumulative layout shift from the click on Generate to the last of four pictures."""
    page.evaluate("localStorage.setItem('easel.view', '\"full\"')")
    page.reload()
    wait_usable(page)
    page.locator("#txt2img_batch_count input[type=number]").fill("4")
    page.locator("#txt2img_prompt textarea").fill(PROMPT)
    page.evaluate("window.shift = 0")
    page.evaluate("document.getElementById('txt2img_generate').click()")
    page.wait_for_timeout(300)
    page.wait_for_function(DONE, timeout=WAIT_MS)
    page.wait_for_timeout(300)
    return page.evaluate("window.shift")


def first_visitor(browser: Any, folder: Path) -> dict[str, Any]:
    """From the command to the first picture on the screen, in a browser that was never here."""
    port = free_port()
    begun = time.perf_counter()
    clicks = 0
    with server(folder, port):
        first_page(port, begun)
        answered = time.perf_counter() - begun
        page = browser.new_context().new_page()
        page.goto(f"http://127.0.0.1:{port}/", timeout=WAIT_MS)
        wait_usable(page)
        usable = time.perf_counter() - begun
        page.locator("#txt2img_prompt textarea").fill(PROMPT)
        page.locator("#txt2img_generate").click()
        clicks += 1
        page.wait_for_function(DONE, timeout=WAIT_MS)
        page.wait_for_function(
            "document.querySelector('#easel_picture img')?.naturalWidth > 0", timeout=WAIT_MS
        )
        picture = time.perf_counter() - begun
    return {
        "page_answers_s": answered,
        "page_usable_s": usable,
        "first_picture_s": picture,
        "clicks": clicks,
        "typed_characters": len(PROMPT),
    }


def measure(folder: Path, visits: int, rounds: int) -> dict[str, Any]:
    """All figures of one server, and of one more that is started for the first-time visitor."""
    from playwright.sync_api import sync_playwright

    path = os.environ.get("EASEL_CHROMIUM", "/usr/bin/chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=[*FLAGS])
        visitor = first_visitor(browser, folder)
        port = free_port()
        with server(folder, port):
            first_page(port, time.perf_counter())
            url = f"http://127.0.0.1:{port}/"
            with urllib.request.urlopen(url) as answer:
                html = answer.read()
            context = browser.new_context(viewport={"width": 1440, "height": 900})
            context.add_init_script(SHIFTS)
            usable = [visit(context, url) for _ in range(visits)]
            page = context.new_page()
            page.goto(url, timeout=WAIT_MS)
            wait_usable(page)
            changes = tab_changes(page, rounds)
            shift = layout_shift(page)
        browser.close()
    return {
        "first_visitor": visitor,
        "usable_first_s": usable[0],
        "usable_later_s": statistics.median(usable[1:]),
        "tab_change": changes,
        "html_kb": len(html) / 1000,
        "html_gzip_kb": len(gzip.compress(html)) / 1000,
        "layout_shift": shift,
    }


def main() -> None:
    """Measure and write ``results/page.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--visits", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=6)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        report("page", measure(Path(name), args.visits, args.rounds))


if __name__ == "__main__":
    main()
