"""Finished pictures: files under readable names, and an index to find them again."""

from webui.library.library import Library

__all__ = ["Library"]
