"""Milliseconds to find pictures in a library of 100,000; the target is 100.

Each question is asked right after a change, so that no count is remembered, and again with it
remembered, as while scrolling. Included are reading the rows, looking whether the files are there,
and making the JSON; not included is the network.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.common import median_interval, report
from webui.api.views import image_view
from webui.core.results import LOCAL_CALLER, Pixels
from webui.library import Library
from webui.library.finding import Wanted
from webui.library.index import FILE_NAME
from webui.library.row import COLUMNS, Row, to_text, to_values
from webui.library.terms import COLUMNS as WORDS
from webui.library.terms import document
from webui.settings import Saving

BEGUN = 1_700_000_000.0
FILE = "one.png"
VOCABULARY = 5_000


def main() -> None:
    """Measure and write ``results/library.json``."""
    args = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        board = _fill(Path(folder), args.rows)
        built = time.perf_counter() - begun
        begun = time.perf_counter()
        library = _open(Path(folder))
        opened = time.perf_counter() - begun
        try:
            figures = _measure(library, board, args.rounds)
        finally:
            library.close()
        size = (Path(folder) / "data" / FILE_NAME).stat().st_size
    whole = {"rows": args.rows, "index_bytes": size, "build_seconds": built}
    report("library", {**whole, "open_seconds": opened, "milliseconds": figures})


def _measure(library: Library, board: str, rounds: int) -> dict[str, Any]:
    words = _vocabulary()
    questions = {
        "all": Wanted(),
        "all, in the middle": Wanted(offset=50_000),
        "one owner's": Wanted(owner="ann"),
        "one owner's, in the middle": Wanted(owner="ann", offset=25_000),
        "a word in nearly every prompt": Wanted(words[0]),
        "one in nearly every prompt, in the middle": Wanted(words[0], offset=50_000),
        "a rare word": Wanted(words[-1]),
        "one letter": Wanted("a"),
        "three frequent words": Wanted(f"{words[0]} {words[1]} {words[2]}"),
        "a phrase in every negative prompt": Wanted('"bad hands"'),
        "one owner's, a word and not another": Wanted(f"{words[1]} -{words[3]}", owner="ann"),
        "model and size": Wanted("model:one size:512x768"),
        "one seed": Wanted("seed:777"),
        "a month and a word": Wanted(f"date:2023-12 {words[0]}"),
        "a board": Wanted(board=board),
        "favourites": Wanted(favourite=True),
    }
    figures: dict[str, Any] = {}
    for name, wanted in questions.items():
        figures[name] = _ask(library, wanted, rounds)
    figures["facets"] = {"after a change": _facets(library, rounds)}
    return figures


def _ask(library: Library, wanted: Wanted, rounds: int) -> dict[str, Any]:
    fresh: list[tuple[float, float]] = []
    again: list[tuple[float, float]] = []
    for number in range(rounds):
        _touch(library, number)
        fresh.append(_milliseconds(lambda: _page(library, wanted)))
        again.append(_milliseconds(lambda: _page(library, wanted)))
    return {
        "after a change": _both(fresh),
        "again": _both(again),
        "found": library.gallery.find(wanted).total,
    }


def _facets(library: Library, rounds: int) -> dict[str, Any]:
    found = []
    for number in range(rounds):
        _touch(library, number)
        found.append(_milliseconds(lambda: library.gallery.facets(None)))
    return _both(found)


def _both(times: list[tuple[float, float]]) -> dict[str, Any]:
    """Passed and computed milliseconds: what lies between them, other programs took."""
    passed, computed = zip(*times, strict=True)
    return {"passed": median_interval(passed), "cpu": median_interval(computed)}


def _touch(library: Library, number: int) -> None:
    library.gallery.mark("id00000000", None, tags=(f"t{number % 2}",))


def _page(library: Library, wanted: Wanted) -> str:
    page = library.gallery.find(wanted)
    return json.dumps([image_view(picture, LOCAL_CALLER) for picture in page.pictures])


def _milliseconds(act: Callable[[], object]) -> tuple[float, float]:
    begun = time.perf_counter(), time.process_time()
    act()
    return 1000 * (time.perf_counter() - begun[0]), 1000 * (time.process_time() - begun[1])


# ---- the library


def _fill(folder: Path, count: int) -> str:
    """An index of ``count`` pictures, all in one file; the id of a board with a tenth of them."""
    library = _open(folder)
    saved = library.save(
        Pixels(64, 64, bytes(3 * 64 * 64)), infotext="", job_id="one", index=0, seed=0, prompt="",
        model="m",
    )  # fmt: skip
    file = Path(saved.path)
    file.rename(folder / "outputs" / FILE)
    library.delete(saved.id)
    board = library.gallery.boards.create("Board", "ann").id
    rows = list(_rows(count))
    marks = ", ".join("?" * (COLUMNS.count(",") + 3))
    with library._index.write() as db:
        db.executemany(
            f"INSERT INTO images ({COLUMNS}, loras, place) VALUES ({marks})",
            ((*to_values(r), to_text(r.loras), int(r.created * 1000)) for r in rows),
        )
        db.execute("INSERT INTO board_images SELECT ?, number FROM images WHERE seed % 10 = 0",
                   (board,))  # fmt: skip
        marks = ", ".join("?" * (len(WORDS) + 1))
        boards = ((board,), ())
        db.executemany(
            f"INSERT INTO search (rowid, {', '.join(WORDS)}) VALUES ({marks})",
            ((int(r.created * 1000), *document(r, boards[r.seed % 10 > 0])) for r in rows),
        )
    library.close()
    return board


def _open(folder: Path) -> Library:
    return Library(folder / "outputs", folder / "data", Saving())


def _rows(count: int) -> Any:
    rng = random.Random(0)
    words = _vocabulary()
    weights = [1 / (rank + 1) for rank in range(VOCABULARY)]
    for n in range(count):
        prompt = ", ".join(rng.choices(words, weights, k=25))
        negative = "bad hands, " + ", ".join(rng.choices(words, weights, k=5))
        yield Row(
            id=f"id{n:08d}",
            job_id=f"j{n}",
            image_index=0,
            path=FILE,
            format="png",
            created=BEGUN + 60 * n,
            seconds=5.0,
            width=512,
            height=rng.choice((512, 640, 768)),
            seed=n,
            prompt=prompt + (" <lora:line:0.8>" if n % 7 == 0 else ""),
            negative_prompt=negative,
            model=rng.choice(("one/base", "two", "three", "four")),
            sampler=rng.choice(("Euler", "Euler a", "DPM++ 2M")),
            infotext=f"{prompt}\nNegative prompt: {negative}\nSteps: 20, Seed: {n}",
            owner=("ann", "bob")[n % 2],
            favourite=n % 50 == 0,
            tags=("old",) if n % 20 == 0 else (),
        )


def _vocabulary() -> list[str]:
    """Made-up words, most frequent first."""
    rng = random.Random(1)
    letters = "abcdefghijklmnopqrstuvwxyz"
    return ["".join(rng.choices(letters, k=rng.randint(3, 9))) for _ in range(VOCABULARY)]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=15)
    return parser.parse_args()


if __name__ == "__main__":
    main()
