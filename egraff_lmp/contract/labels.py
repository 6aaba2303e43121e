"""Which labels a deployed network was trained on, as far as its contract tells."""

from __future__ import annotations

from collections.abc import Mapping

from egraff_lmp.contract.schema import Contract

# Key of the provenance: the labels of the training, such as ["energy", "forces", "stress"].
LABELS = "labels"
STRESS = "stress"


def trained_on_stress(contract: Contract) -> bool | None:
    """Whether stresses were among the labels; None where the contract does not tell.

    Contracts without a list of labels hold the config of the training: a network that gave stress
    no weight in any stage never saw one.
    """
    labels = contract.provenance.get(LABELS)
    if isinstance(labels, (list, tuple)):
        return STRESS in labels
    config = contract.provenance.get("config")
    if not isinstance(config, Mapping):
        return None
    stages = [stage for stage in (config.get("loss"), config.get("second_stage")) if stage]
    weights = [stage.get(STRESS) for stage in stages if isinstance(stage, Mapping)]
    return False if weights and all(weight == 0 for weight in weights) else None


def stress_warning(contract: Contract, what: str) -> str:
    """One sentence where `what` follows a stress that the network never learnt, else ""."""
    if trained_on_stress(contract) is not False:
        return ""
    return (
        f"{what} follows the stress of a model that was trained without stress labels: its "
        "pressure may be far off; train it with stress, or check the volume that it finds."
    )
