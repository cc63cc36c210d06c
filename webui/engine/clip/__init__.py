"""Pictures and texts compared by CLIP (Radford et al. 2021)."""
