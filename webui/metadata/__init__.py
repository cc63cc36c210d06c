"""What a picture says about how it was drawn: A1111's text, and where files keep it."""

from webui.metadata.chunks import SUFFIXES, encode, fitting, image_size, read_infotext, read_texts
from webui.metadata.exact import exact_text
from webui.metadata.infotext import infotext
from webui.metadata.parsing import Usable, parse, to_request, usable
from webui.metadata.pictures import small_png
from webui.metadata.reading import Told, read_picture, read_text

__all__ = [
    "SUFFIXES",
    "Told",
    "Usable",
    "encode",
    "exact_text",
    "fitting",
    "image_size",
    "infotext",
    "parse",
    "read_infotext",
    "read_picture",
    "read_text",
    "read_texts",
    "small_png",
    "to_request",
    "usable",
]
