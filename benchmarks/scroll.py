"""Frames while the Library tab scrolls through 100,000 pictures in Chromium, without a GPU.

The wheel turns every 16 ms for some seconds; counted is the time between frames (the target is 60 a
second, 16.7 ms). As in ``benchmarks.library`` all rows share one small file; thumbnails are made
for the rows that stay in view.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from benchmarks.common import report
from benchmarks.library import _fill
from benchmarks.page import FLAGS
from benchmarks.start import first_page, free_port, server

RECORD = """() => {
    window.frames_ms = [];
    let last = performance.now();
    const note = (now) => { frames_ms.push(now - last); last = now; requestAnimationFrame(note); };
    requestAnimationFrame(note);
}"""


def main() -> None:
    """Measure and write ``results/scroll.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=6.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _fill(folder, options.pictures)
        port = free_port()
        path = os.environ.get("EASEL_CHROMIUM", "/usr/bin/chromium")
        with server(folder, port), sync_playwright() as playwright:
            first_page(port, time.perf_counter())
            browser = playwright.chromium.launch(args=list(FLAGS), executable_path=path)
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.goto(f"http://127.0.0.1:{port}/")
            frames = scroll(page, options.seconds)
            browser.close()
    report("scroll", {"pictures": options.pictures, **summary(frames)})


def scroll(page: Page, seconds: float) -> list[float]:
    """Milliseconds between frames while the wheel turns."""
    page.get_by_role("tab", name="Library", exact=True).click()
    page.locator(".lib-cell[data-id]:not([hidden])").first.wait_for()
    page.locator("#library_grid").hover()
    page.wait_for_timeout(1000)
    page.evaluate(RECORD)
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        page.mouse.wheel(0, 90)
        page.wait_for_timeout(16)
    return page.evaluate("frames_ms")


def summary(frames: list[float]) -> dict[str, float]:
    """Frames a second over all of it, and the median and worst gaps."""
    ordered = sorted(frames)
    return {
        "frames_per_second": 1000 * len(frames) / sum(frames),
        "median_ms": statistics.median(frames),
        "p95_ms": ordered[int(0.95 * len(ordered))],
        "worst_ms": ordered[-1],
    }


if __name__ == "__main__":
    main()
