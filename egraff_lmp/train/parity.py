"""What the best checkpoint says of held-out frames against their labels, as a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from egraff_lmp.data.frames import formula
from egraff_lmp.evaluation.errors import FrameResult
from egraff_lmp.evaluation.parity import draw_parity
from egraff_lmp.train.evaluate import Prediction
from egraff_lmp.train.graphs import Batch

PARITY = "parity.png"


class Parity:
    """Collects predictions while a part is evaluated.

    Args:
        species: elements in type order.
        part: where the frames are from, for the picture's labels.
    """

    def __init__(self, species: Sequence[str], part: str) -> None:
        self._species = np.array(species)
        self._part = part
        self._results: list[FrameResult] = []

    def add(self, batch: Batch, found: Prediction) -> None:
        """Keep the frames of a batch."""
        ends = np.cumsum(batch.n_atoms.numpy())
        for b, (start, end) in enumerate(zip(ends - batch.n_atoms.numpy(), ends, strict=True)):
            names = self._species[batch.types[start:end].numpy()]
            energy = (float(batch.energy[b]), float(found.energy[b]))
            forces = np.stack([batch.forces[start:end].numpy(), found.forces[start:end].numpy()])
            stress = np.stack([batch.stress[b].numpy(), found.stress[b].numpy()])
            self._results.append(
                FrameResult(
                    source=self._part,
                    frame=len(self._results),
                    composition=formula(names.tolist()),
                    species=names,
                    energy=None if math.isnan(energy[0]) else energy,
                    forces=forces if np.isfinite(forces).all() else None,
                    stress=stress if np.isfinite(stress).all() else None,
                )
            )

    def draw(self, path: Path) -> None:
        """Write the picture; nothing where no frame has a label."""
        if any(r.energy or r.forces is not None or r.stress is not None for r in self._results):
            draw_parity(self._results, path, f"{self._part} frames")
