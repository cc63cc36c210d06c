"""What lies in ``models/``: found, identified from the header alone, never loaded."""

from webui.catalog.catalog import Catalog

__all__ = ["Catalog"]
