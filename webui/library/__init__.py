"""Finished pictures: files under readable names, and an index to find them again."""

from webui.library.gallery import Gallery
from webui.library.library import Library
from webui.library.picture import Picture

__all__ = ["Gallery", "Library", "Picture"]
