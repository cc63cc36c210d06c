"""Draw the pictures beside the example prompts of the page's simple view.

    python -m tools.draw_examples [CHECKPOINT]

Reads the prompts and seeds from ``webui/ui/assets/examples/examples.json`` and writes the pictures
beside it, small: at most 96 pixels a side, and 60 kB together.
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image

from webui import app
from webui.core.requests import Txt2Img
from webui.settings import Settings, load_settings

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "webui" / "ui" / "assets" / "examples"
LIST = FOLDER / "examples.json"
CHECKPOINT = "easel-starter"
MOST = 8
SIDE = 96
BYTES = 60_000


def main(checkpoint: str = CHECKPOINT) -> int:
    """Draw every example; returns the exit status."""
    examples = json.loads(LIST.read_text(encoding="utf-8"))
    if not 0 < len(examples) <= MOST:
        print(f"{LIST} lists {len(examples)} examples; between 1 and {MOST} are shown.")
        return 1
    with TemporaryDirectory(prefix="easel-examples-") as folder:
        pictures = [small(draw(example, checkpoint, Path(folder))) for example in examples]
    total = sum(map(len, pictures))
    if total > BYTES:
        print(f"The pictures have {total} bytes together; the most is {BYTES}.")
        return 1
    for example, data in zip(examples, pictures, strict=True):
        (FOLDER / example["picture"]).write_bytes(data)
        print(f"{example['picture']}: {len(data)} bytes, {example['prompt']}")
    wanted = {example["picture"] for example in examples}
    for path in FOLDER.glob("*.webp"):
        if path.name not in wanted:
            path.unlink()
    return 0


def draw(example: dict[str, Any], checkpoint: str, folder: Path) -> Path:
    """The file of a freshly drawn example."""
    request = Txt2Img(prompt=example["prompt"], seed=example["seed"], checkpoint=checkpoint)
    for event in app.draw(settings(folder), request):
        if event.error is not None:
            raise SystemExit(event.error.message)
        if event.image is not None:
            return Path(event.image.path)
    raise SystemExit(f"Nothing was drawn for {example['prompt']!r}.")


def settings(folder: Path) -> Settings:
    """The project's models, and everything that is written in ``folder``."""
    places = {"paths.models": ROOT / "models", "paths.outputs": folder, "paths.data": folder}
    return load_settings({name: str(path) for name, path in places.items()}, environ={})


def small(path: Path) -> bytes:
    """The picture as WebP without loss."""
    with Image.open(path) as image:
        image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
        out = io.BytesIO()
        image.convert("RGB").save(out, "WEBP", lossless=True, quality=100, method=6)
    return out.getvalue()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
