"""What a deployed file says about itself: the record, its JSON form, and reading it from a file."""

from egraff_lmp.contract.file import contract_in, read_contract, save_deployed
from egraff_lmp.contract.labels import stress_warning, trained_on_stress
from egraff_lmp.contract.schema import (
    CONTRACT_MEMBER,
    KERNELS_UNAVAILABLE,
    SCHEMA,
    Citation,
    Contract,
    EnergyReference,
    Output,
    SelfTest,
    ShortestDistance,
    TrainingRange,
)

__all__ = [
    "CONTRACT_MEMBER",
    "KERNELS_UNAVAILABLE",
    "SCHEMA",
    "Citation",
    "Contract",
    "EnergyReference",
    "Output",
    "SelfTest",
    "ShortestDistance",
    "TrainingRange",
    "contract_in",
    "read_contract",
    "save_deployed",
    "stress_warning",
    "trained_on_stress",
]
