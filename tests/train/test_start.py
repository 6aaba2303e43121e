"""Trainings that begin with the weights of another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from egraff_lmp.data.frames import Frames
from egraff_lmp.data.split import frame_hashes
from egraff_lmp.errors import EgraffError
from egraff_lmp.train.checkpoint import load_checkpoint
from egraff_lmp.train.evaluate import evaluate
from egraff_lmp.train.finished import seen_frames
from egraff_lmp.train.graphs import build_graphs
from egraff_lmp.train.run import train
from egraff_lmp.train.start import begun_from
from egraff_lmp.train.start_files import own_start

# Energies of hundreds of eV are added up in another order.
ROUNDING_MEV = 1e-6


@pytest.fixture
def first(toy_config, tmp_path):
    """A finished training of the toy on twelve frames of Ge4Te8."""
    result = train(
        toy_config(stop__max_epochs=60, schedule__patience=25), tmp_path / "first", progress=False
    )
    return result.checkpoint


@pytest.fixture
def fine(toy, toy_config, tmp_path, first):
    """A config that goes on from it on the same frames, whose energies have another zero."""
    frames = toy.toy_frames(12)
    toy.write_npz(tmp_path / "other.npz", replace(frames, energy=frames.energy + 17.0))

    def make(**changes):
        data = {"train": [str(tmp_path / "other.npz")], "n_train": 8, "n_validation": 4}
        return toy_config(data=data, start_from=str(first), **changes)

    return make


def errors(checkpoint, frames: Frames, toy):
    model = load_checkpoint(checkpoint).build()
    return evaluate(model, build_graphs(frames, toy.SPECIES, toy.R_MAX))


def test_it_begins_where_the_other_ended(toy, fine, first, tmp_path):
    """With a rate of nearly nothing: the same forces, and energies moved by the new zero."""
    config = fine(stop__max_epochs=1, optimiser__learning_rate=1e-30, loss={"forces": 1.0})
    result = train(config, tmp_path / "fine", progress=False)
    frames = toy.toy_frames(12)
    before, after = errors(first, frames, toy), errors(result.checkpoint, frames, toy)
    assert after.forces_mae_mev_per_angstrom == pytest.approx(
        before.forces_mae_mev_per_angstrom, abs=ROUNDING_MEV
    )
    records = [load_checkpoint(path).record for path in (first, result.checkpoint)]
    moved = np.subtract(records[1].reference_ev, records[0].reference_ev)
    # 17 eV on four Ge and eight Te, up to the mean error that the start had on these frames.
    assert moved @ [4, 8] == pytest.approx(17.0, abs=12 * before.energy_mae_mev_per_atom / 1000)
    assert records[1].reference_method == "start"
    assert records[1].scale == records[0].scale


def test_it_learns_faster_than_anew(toy_config, fine, tmp_path):
    begun = train(fine(stop__max_epochs=2), tmp_path / "begun", progress=False)
    anew = train(
        fine(stop__max_epochs=2).model_copy(update={"start_from": None}),
        tmp_path / "anew",
        progress=False,
    )
    name = "forces_mae_mev_per_angstrom"
    assert begun.validation[name] < 0.5 * anew.validation[name]


def test_it_resumes_and_knows_its_start(toy_config, fine, tmp_path):
    whole = train(fine(stop__max_epochs=4), tmp_path / "whole", progress=False)
    train(fine(stop__max_epochs=2), tmp_path / "cut", progress=False)
    cut = train(fine(stop__max_epochs=4), tmp_path / "cut", progress=False)
    assert cut.validation == whole.validation
    other = train(toy_config(seed=1), tmp_path / "other", progress=False).checkpoint
    changed = fine(stop__max_epochs=4).model_copy(update={"start_from": str(other)})
    with pytest.raises(EgraffError, match="got a run with another start"):
        train(changed, tmp_path / "cut", progress=False)
    plain = fine(stop__max_epochs=4).model_copy(update={"start_from": None})
    with pytest.raises(EgraffError, match="got a run with another start"):
        train(plain, tmp_path / "cut", progress=False)


def test_elements_without_frames_are_kept(toy, toy_config, first, tmp_path):
    """Frames of Te alone: the model still knows Ge, with its zero."""
    frames = toy.toy_frames(12, seed=6, n_ge=0)
    toy.write_npz(tmp_path / "te.npz", frames)
    data = {"train": [str(tmp_path / "te.npz")], "n_train": 8, "n_validation": 4}
    config = toy_config(data=data, start_from=str(first), stop__max_epochs=1)
    record = load_checkpoint(train(config, tmp_path / "te", progress=False).checkpoint).record
    earlier = load_checkpoint(first).record
    assert record.species == earlier.species == ("Ge", "Te")
    assert record.reference_ev[0] == pytest.approx(earlier.reference_ev[0], abs=1e-12)
    known = {pair.elements for pair in record.training_range.shortest_distances}
    assert ("Ge", "Ge") in known


def test_what_cannot_be_the_start(toy, toy_config, fine, first, tmp_path):
    with pytest.raises(EgraffError, match=r"with r_max 3\.5.*got 4\.0.*set `r_max: 4\.0`"):
        train(fine(r_max=3.5), tmp_path / "x", progress=False)
    with pytest.raises(EgraffError, match=r"width: 16 \(config: 8\)"):
        train(fine(overrides={"width": 8}), tmp_path / "x", progress=False)
    with pytest.raises(EgraffError, match="expected a checkpoint written by"):
        train(toy_config(start_from=str(tmp_path / "none.ckpt")), tmp_path / "x", progress=False)
    gold = replace(toy.toy_frames(12), species=("Au",) * 12)
    toy.write_npz(tmp_path / "gold.npz", gold)
    data = {"train": [str(tmp_path / "gold.npz")], "n_train": 8, "n_validation": 4}
    with pytest.raises(EgraffError, match="got Au too: a network cannot be given elements"):
        train(toy_config(data=data, start_from=str(first)), tmp_path / "x", progress=False)


def test_frames_that_the_start_has_seen_are_seen(toy, toy_config, tmp_path):
    """Errors on frames of the earlier training are no errors on unseen frames."""
    toy.write_npz(tmp_path / "new.npz", toy.toy_frames(12, seed=5))
    first = train(toy_config(stop__max_epochs=1), tmp_path / "first", progress=False).checkpoint
    data = {"train": [str(tmp_path / "new.npz")], "n_train": 8, "n_validation": 4}
    config = toy_config(data=data, start_from=str(first), stop__max_epochs=1)
    fine = train(config, tmp_path / "fine", progress=False).checkpoint
    new = frozenset(frame_hashes(toy.toy_frames(12, seed=5)))
    assert seen_frames(first)
    assert seen_frames(fine) == seen_frames(first) | new
    first.unlink()
    assert seen_frames(fine) is None  # not known any more


def test_energies_of_weight_0_move_no_zero(toy, fine, first):
    """Files keep energies that are worth nothing, with a weight of 0."""
    start, config = own_start(first), fine()
    frames = toy.toy_frames(12)
    worthless = replace(
        frames, energy=frames.energy + 1e6, weights=np.tile([0.0, 1.0, 1.0], (12, 1))
    )
    moved = [
        begun_from(start, start.record, parts, config).reference_ev
        for parts in ([frames], [frames, worthless], [worthless])
    ]
    assert moved[0] == moved[1]
    assert moved[2] == start.record.reference_ev
