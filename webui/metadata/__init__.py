"""What a picture says about how it was drawn: A1111's text, and where files keep it."""

from webui.metadata.chunks import SUFFIXES, encode, image_size, read_infotext
from webui.metadata.infotext import infotext
from webui.metadata.parsing import Usable, parse, to_request, usable

__all__ = [
    "SUFFIXES",
    "Usable",
    "encode",
    "image_size",
    "infotext",
    "parse",
    "read_infotext",
    "to_request",
    "usable",
]
