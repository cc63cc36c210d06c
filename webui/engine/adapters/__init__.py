"""LoRAs and textual inversions: what prompts call by name, applied and exactly undone.

Of every weight that a set of LoRAs changes, a changed copy is made once, W + Σ weightᵢ·ΔWᵢ, and
kept by the model manager as a component of its own. A forward pass of a job with that set finds the
copies in the place of the originals, which nothing ever writes to; putting them in and back is an
assignment per weight. So jobs with different sets run side by side on one network, every kind of
file (low rank, LoHa, LoKr, full difference, norms) costs a step nothing, results are A1111's, which
merges too, and afterwards the network is bit for bit what it was.

Adding s·B(Ax) beside each layer would need less memory (the copies are as large as what they stand
for: of the starter 10.3 MB where the LoRA has 1.8), but costs every step of every picture: a pass
of the starter on a CPU takes 1.15 times as long, with the copies 1.00 (``benchmarks/lora.py``).
"""

from __future__ import annotations

from webui.engine.adapters.denoiser import AdaptedDenoiser
from webui.engine.adapters.patches import Patches, Plan
from webui.engine.adapters.sets import NONE, AdapterSet, Applied, Called

__all__ = ["NONE", "AdaptedDenoiser", "AdapterSet", "Applied", "Called", "Patches", "Plan"]
