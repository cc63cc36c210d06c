"""What lies in ``models/``: found, identified from the header alone, never loaded."""

from webui.catalog.catalog import Catalog
from webui.catalog.clip import find_clip

__all__ = ["Catalog", "find_clip"]
