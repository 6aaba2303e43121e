"""Free-energy surfaces of two torsions by well-tempered metadynamics, of models and references."""

from egraff_lmp.metadynamics.compare import Comparison, compare_surfaces
from egraff_lmp.metadynamics.driver import Driver, commands_driver, model_driver, oracle_driver
from egraff_lmp.metadynamics.record import Result, read_result
from egraff_lmp.metadynamics.run import run_metadynamics
from egraff_lmp.metadynamics.settings import Settings, Torsion, torsion_of

__all__ = [
    "Comparison",
    "Driver",
    "Result",
    "Settings",
    "Torsion",
    "commands_driver",
    "compare_surfaces",
    "model_driver",
    "oracle_driver",
    "read_result",
    "run_metadynamics",
    "torsion_of",
]
