"""Measures what is in a picture, without any network that draws: numpy and Pillow only."""
