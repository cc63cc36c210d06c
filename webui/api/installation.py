"""Taking over an installation of A1111, Forge or ComfyUI: all of it, or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from webui.catalog import Catalog
from webui.core.errors import Conflict, EaselError
from webui.prompt.styles import Style, read_styles, write_styles
from webui.settings import Defaults, SettingsStore
from webui.settings.installation import Installation, read_installation
from webui.settings.save import write_text

if TYPE_CHECKING:
    from webui.services import Services

FOLDER = "paths.installation"


class Import:
    """Writes what was found: styles, then the form's defaults, then the settings."""

    def __init__(self, store: SettingsStore, defaults: Defaults, services: Services) -> None:
        self._store = store
        self._defaults = defaults
        self._models = services.catalog.models_dir
        self._styles = services.settings.paths.data / "styles.csv"

    def run(self, folder: str) -> dict[str, Any]:
        """Take over ``folder``; the answer says what became of everything that was found.

        When something fails, what had been written before is put back.
        """
        found = read_installation(folder)
        checkpoints = self._checkpoints(found)
        changes = self._changes(found)
        added, kept, styles = self._merged(found.styles)
        with _put_back(self._styles), _put_back(self._defaults.path):
            if added:
                write_text(self._styles, write_styles(styles))
            if found.defaults:
                merged = {**self._defaults.all().get("txt2img", {}), **found.defaults}
                self._defaults.put({"txt2img": merged})
            self._store.change(changes)
        return {
            "program": found.program,
            "folder": str(found.folder),
            "checkpoints": checkpoints,
            "settings": {key: value for key, value in changes.items() if key != FOLDER},
            "defaults": found.defaults,
            "styles": {"added": added, "kept": kept},
            "taken": found.taken,
            "refused": [{"name": n, "message": text} for n, text in found.refused.items()],
            "unknown": found.unknown,
        }

    def _checkpoints(self, found: Installation) -> list[str]:
        """The checkpoints that come in; the one chosen there becomes the form's default."""
        catalog = Catalog(self._models, installation=str(found.folder))
        try:
            if found.checkpoint:
                found.defaults["checkpoint"] = catalog.resolve(found.checkpoint).name
                found.taken.append("sd_model_checkpoint")
        except EaselError as error:
            found.refused["sd_model_checkpoint"] = error.message
        finally:
            catalog.close()
        return [r.name for r in catalog.checkpoints() if Path(r.path).is_relative_to(found.folder)]

    def _changes(self, found: Installation) -> dict[str, Any]:
        """The settings to change; one that flag or environment fixes is refused by itself."""
        changes: dict[str, Any] = {FOLDER: str(found.folder)}
        self._store.check(changes)
        for name, key in found.names.items():
            try:
                self._store.check({key: found.settings[key]})
            except Conflict as error:
                found.taken.remove(name)
                found.refused[name] = error.message
            else:
                changes[key] = found.settings[key]
        return changes

    def _merged(self, text: str) -> tuple[list[str], list[str], list[Style]]:
        """Names added, names that there were already (they stay as they are), and all styles."""
        try:
            ours = list(read_styles(self._styles.read_text(encoding="utf-8-sig")))
        except FileNotFoundError:
            ours = []
        except (OSError, ValueError):
            raise Conflict(f"{self._styles} cannot be read; mend or delete it.") from None
        names = {style.name for style in ours}
        theirs = read_styles(text)
        new = [style for style in theirs if style.name not in names]
        kept = [style.name for style in theirs if style.name in names]
        return [style.name for style in new], kept, [*ours, *new]


@contextmanager
def _put_back(path: Path) -> Iterator[None]:
    """Put a file back as it was when what follows fails."""
    before = path.read_bytes() if path.is_file() else None
    try:
        yield
    except BaseException:
        with suppress(OSError):
            if before is None:
                path.unlink(missing_ok=True)
            else:
                path.write_bytes(before)
        raise
