"""Easel: a browser-based studio for diffusion image models."""

__version__ = "0.1.0"
