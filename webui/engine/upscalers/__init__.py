"""Enlarging pictures: by resampling, and by models that have learned how."""

from webui.engine.upscalers.upscaling import Bench, upscaled

__all__ = ["Bench", "upscaled"]
