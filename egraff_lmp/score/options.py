"""What a scoring may be asked for, checked once."""

from __future__ import annotations

from dataclasses import dataclass

from egraff_lmp.errors import EgraffError
from egraff_lmp.score.bootstrap import CONFIDENCE, N_RESAMPLES
from egraff_lmp.score.diffusivity import FIT_WINDOW, MIN_FRAMES, fit_lags
from egraff_lmp.score.rdf import BIN_WIDTH, N_BLOCKS
from egraff_lmp.score.records import MODES
from egraff_lmp.score.rmsd import THRESHOLD_A
from egraff_lmp.score.stability import TEMPERATURE_BOUNDS

EGRAFF, PAPER = MODES
REFUSE, LEAVE_OUT = "refuse", "leave out"


def modes_of(mode: str) -> tuple[str, ...]:
    """The modes that "egraff", "paper" or "both" stands for."""
    if mode == "both":
        return MODES
    if mode in MODES:
        return (mode,)
    raise EgraffError(f"expected mode egraff, paper or both, got '{mode}'.")


@dataclass(frozen=True)
class Options:
    """Choices of one scoring.

    Attributes:
        mode: "egraff", "paper" or "both".
        r_max: of the `egraff` structure metrics in A; None for `rdf.default_r_max`.
        bin_width: of the `egraff` structure metrics in A.
        skip: frames left out at the beginning of every trajectory.
        starts: for each rollout, the index of the reference frame it started from; () for 0.
        n_blocks: blocks of frames per trajectory for the bootstrap.
        n_resamples: bootstrap draws.
        confidence: of the intervals, 0.95 for 95 %.
        seed: of the bootstrap.
        rmsd_threshold: in A, beyond which a rollout has diverged from the reference.
        fit_window: lags between which the MSD is fitted, as fractions of a trajectory.
        temperature_kelvin: of the ensemble, for free energies and for the bounds; None if unknown.
        temperature_bounds: multiples of it that end a run which leaves them.
        time_series: whether the reference's frames have times, so that rollouts can be compared
            with them at equal times.
        short: what becomes of a rollout without a frame after `skip`: "refuse", or "leave out",
            as of one that broke down; where all are so short, fewer frames are skipped.
        n_asked: rollouts that were asked for, those that could not begin among them; None for
            those that are given.
    """

    mode: str = "both"
    r_max: float | None = None
    bin_width: float = BIN_WIDTH
    skip: int = 0
    starts: tuple[int, ...] = ()
    n_blocks: int = N_BLOCKS
    n_resamples: int = N_RESAMPLES
    confidence: float = CONFIDENCE
    seed: int = 0
    rmsd_threshold: float = THRESHOLD_A
    fit_window: tuple[float, float] = FIT_WINDOW
    temperature_kelvin: float | None = None
    temperature_bounds: tuple[float, float] = TEMPERATURE_BOUNDS
    time_series: bool = True
    short: str = REFUSE
    n_asked: int | None = None

    def __post_init__(self) -> None:
        modes_of(self.mode)
        fit_lags(MIN_FRAMES, self.fit_window)
        blocks, resamples, confidence = self.n_blocks, self.n_resamples, self.confidence
        kelvin, (low, high) = self.temperature_kelvin, self.temperature_bounds
        threshold = self.rmsd_threshold
        for fine, expected in (
            (self.skip >= 0, f"--skip of 0 frames or more, got {self.skip}"),
            (
                blocks >= 1 and resamples >= 1 and 0 < confidence < 1,
                "at least one block, one resample and a confidence between 0 and 1, got "
                f"{blocks}, {resamples} and {confidence}",
            ),
            (threshold > 0, f"an RMSD threshold above 0 A, got {threshold:g} A"),
            (
                self.short in (REFUSE, LEAVE_OUT),
                f"short rollouts to be '{REFUSE}' or '{LEAVE_OUT}', got '{self.short}'",
            ),
            (kelvin is None or kelvin > 0, f"a temperature above 0 K, got {kelvin} K"),
            (
                0 <= low < 1 < high,
                "temperature bounds below and above 1, as multiples of the target, got "
                f"{low:g} and {high:g}",
            ),
        ):
            if not fine:
                raise EgraffError(f"expected {expected}.")
