"""Force errors against scores of simulations: what enters, with which sign, and what does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from synthetic_results import (
    FORCEFIELDS,
    of_models,
    results,
    score,
    trained_apart,
    with_scores,
)

from egraff_lmp.results.correlation import (
    FORETELLS,
    MIN_GROUPS,
    MIN_MODELS,
    MISLEADS,
    NOT_ENOUGH,
    NOT_SHOWN,
    NOTHING,
    Correlation,
    PooledCorrelation,
    correlations,
    groups_of,
    pooled,
)
from egraff_lmp.results.record import ModelResult, Results, System
from egraff_lmp.score.options import EGRAFF
from egraff_lmp.score.records import (
    COST,
    RERUN_REFERENCE,
    STRUCTURE,
    SURVIVAL,
    TRAJECTORY,
    Fact,
    Score,
)
from egraff_lmp.score.table import METRICS

UP = (10.0, 20.0, 30.0, 40.0, 50.0, 60.0)
WF = ("wf", STRUCTURE, "total")


def with_values(
    key: str, comparison: str, values: Sequence[float | None], part: str = "",
    whole: Results | None = None, **more: Any,
) -> Results:  # fmt: skip
    """Six models on one system with these values of one score."""

    def change(system: System, one: ModelResult) -> ModelResult:
        number = values[FORCEFIELDS.index(one.model.name)]
        lacks = {"absence": Fact("no-rerun-reference")} if number is None else {}
        made: Score = score(number, key, comparison, EGRAFF, part, **more, **lacks)
        return with_scores(one, made)

    return of_models(whole or results(1, 6), change)


def found(whole: Results, place: tuple[str, str, str] = WF) -> Correlation:
    return next(o for o in correlations(whole) if (o.key, o.comparison, o.part) == place)


def test_the_better_simulation_of_the_smaller_error_is_plus_one() -> None:
    one = found(with_values("wf", STRUCTURE, UP, "total"))
    assert one.rho == pytest.approx(1.0)
    assert one.verdict == FORETELLS
    assert one.models == FORCEFIELDS
    assert one.reason is None
    assert one.noise is not None


def test_the_worse_one_is_minus_one_and_higher_is_better_turns_the_sign() -> None:
    down = UP[::-1]
    assert found(with_values("wf", STRUCTURE, down, "total")).rho == pytest.approx(-1.0)
    assert found(with_values("wf", STRUCTURE, down, "total")).verdict == MISLEADS
    place = ("divergence_time", TRAJECTORY, "")
    longer = found(with_values("divergence_time", TRAJECTORY, down), place)
    assert longer.rho == pytest.approx(1.0)
    assert longer.noise is not None
    assert longer.noise[0] <= 1.0 <= longer.noise[1]


def test_no_clear_order_is_not_shown() -> None:
    one = found(with_values("wf", STRUCTURE, (30, 10, 60, 20, 50, 40), "total"))
    assert one.verdict == NOT_SHOWN
    assert one.interval is not None
    assert one.interval[0] < 0 < one.interval[1]


def test_what_is_missing_is_left_out_and_four_models_are_the_least() -> None:
    five = found(with_values("wf", STRUCTURE, (None, *UP[1:]), "total"))
    assert five.models == FORCEFIELDS[1:]
    without_error = with_values("force_mae", RERUN_REFERENCE, (*UP[:4], None, None))
    four = found(without_error)
    assert (len(four.models), four.verdict) == (MIN_MODELS, NOT_SHOWN)  # 4! = 24 orders
    three = found(with_values("wf", STRUCTURE, (None, *UP[1:]), "total", without_error))
    assert three.rho is None
    assert three.verdict == NOT_ENOUGH
    assert three.reason == Fact("few-models", {"models": 3, "least": MIN_MODELS})


def test_controls_are_left_out() -> None:
    """Wrong in both, they would turn a reversed order of the others around."""
    whole = with_values("wf", STRUCTURE, (40, 30, 20, 10, 500, 600), "total", results(1, 6, 2))
    one = found(whole)
    assert one.models == FORCEFIELDS[:4]
    assert one.rho == pytest.approx(-1.0)


def test_equal_values_and_values_at_the_floor_have_a_reason() -> None:
    whole = with_values("wf", STRUCTURE, (7.0,) * 6, "total")
    assert found(whole).reason == Fact("constant-scores", {"models": 6})
    assert found(whole).verdict == NOTHING
    floor = with_values("wf", STRUCTURE, UP, "total", floor=70.0)
    assert found(floor).reason == Fact("at-floor", {"models": 6, "floor": 70.0})
    partly = found(with_values("wf", STRUCTURE, UP, "total", floor=35.0))
    assert partly.rho == pytest.approx((15.5 / 17.5) ** 0.5)  # of the ranks 2, 2, 2, 4, 5, 6
    same = with_values("force_mae", RERUN_REFERENCE, (50.0,) * 6)
    assert found(same).reason == Fact("constant-errors", {"models": 6})


def test_what_says_nothing_of_a_model_is_not_correlated() -> None:
    fact = Fact("other-surface", {"kelvin": 498.0, "error": 31.0, "stated": 300.0})
    assert found(with_values("wf", STRUCTURE, UP, "total", facts=(fact,))).reason == fact
    unrelated = with_values("fv", TRAJECTORY, [0.7 + 0.001 * k for k in range(6)])
    assert found(unrelated, ("fv", TRAJECTORY, "")).reason == Fact("unrelated")


def test_models_whose_rollouts_broke_are_named() -> None:
    whole = with_values("survived", SURVIVAL, (1.0, 1.0, 0.5, 1.0, 1.0, 0.2))
    assert found(whole).broke == (FORCEFIELDS[2], FORCEFIELDS[5])


def test_only_scores_that_rollouts_enter_and_that_have_a_direction() -> None:
    known = {(one.key, one.comparison) for one in correlations(results(1, 6))}
    assert not {RERUN_REFERENCE, COST} & {comparison for _, comparison in known}
    assert all(METRICS[key].better for key, _ in known)
    assert {"wf", "rmsd", "stability", "survived", "temperature_error"} <= {k for k, _ in known}
    assert "diffusivity" not in {key for key, _ in known}


def of_orders(orders: Sequence[Sequence[float]]) -> Results:
    """A system for each of these values of WF, of one set of trained models."""
    one = results(1, 6)
    systems = tuple(
        replace(with_values("wf", STRUCTURE, values, "total", one).systems[0], name=f"cell{k}")
        for k, values in enumerate(orders)
    )
    return replace(one, systems=systems)


def pooled_wf(whole: Results) -> PooledCorrelation:
    every = pooled(whole, correlations(whole))
    return next(one for one in every if (one.key, one.comparison, one.part) == WF)


SWAPPED = (20.0, 10.0, *UP[2:])  # rho = 1 - 6 * 2 / (6 * 35)


def test_over_systems_it_is_a_mean_with_an_interval() -> None:
    found = pooled_wf(trained_apart(of_orders([UP, SWAPPED, UP, (7.0,) * 6])))
    assert found.groups == (("cell0",), ("cell1",), ("cell2",))  # the constant one has none
    assert found.rho == pytest.approx((3 - 2 / 35) / 3)
    assert found.verdict == FORETELLS
    few = pooled_wf(trained_apart(of_orders([UP, SWAPPED])))
    assert few.interval is None
    assert few.rho == pytest.approx(1 - 1 / 35)
    assert few.verdict == NOT_ENOUGH
    assert few.reason == Fact("few-groups", {"groups": 2, "least": MIN_GROUPS})
    none = pooled_wf(of_orders([(7.0,) * 6]))
    assert (none.rho, none.verdict) == (None, NOTHING)
    assert none.reason == Fact("no-system", {"systems": 1})


def test_systems_of_the_same_trained_models_are_one() -> None:
    shared = of_orders([UP, UP, UP])
    assert pooled_wf(shared).groups == (("cell0", "cell1", "cell2"),)
    assert pooled_wf(shared).verdict == NOT_ENOUGH
    apart = trained_apart(of_orders([UP[::-1], UP[::-1], *[UP] * 6])).systems
    mixed = replace(shared, systems=(*apart[:2], *of_orders([UP] * 8).systems[2:]))
    found = pooled_wf(mixed)
    assert [len(group) for group in found.groups] == [1, 1, 6]
    assert found.rho == pytest.approx(-1 / 3)  # of systems alike it would be +1/2
    assert found.verdict == NOT_SHOWN


def test_one_file_in_common_is_enough_and_joins_two_groups() -> None:
    def system(name: str, *files: str) -> System:
        whole = results(1, len(files)).systems[0]
        models = tuple(
            replace(one, card=None if one.card is None else replace(one.card, sha256=file))
            for one, file in zip(whole.models, files, strict=True)
        )
        return replace(whole, name=name, models=models)

    systems = (system("a", "1", "2"), system("b", "3", "4"), system("c", "5", "6"),
               system("d", "2", "3"))  # fmt: skip
    found = groups_of(replace(results(1, 2), systems=systems))
    assert found["a"] == found["b"] == found["d"] != found["c"]
