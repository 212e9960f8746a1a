"""Differences between recipes: nominal false positive rate, and power to detect true differences."""

import numpy as np
import pytest

from agegender.metrics.chance import holm
from agegender.metrics.paired import on_one_set, on_several_sets

FACES, DRAWS = 200, 1000


def trained(random: np.random.Generator, seeds: list[int], of_seed: float, of_face: float, better: float = 0.0) -> list:
    """Errors of recipes that are equally good, but for the first: how hard a face is, luck of a seed, luck of a face."""
    hard = random.exponential(5, size=FACES)
    errors = [
        hard + random.normal(0, of_seed, size=(count, 1)) + random.normal(0, of_face, size=(count, FACES)) for count in seeds
    ]
    errors[0] -= better
    return errors


def share_called(seeds: list[int], of_seed: float, of_face: float, better: float = 0.0, trials: int = 300) -> float:
    random = np.random.default_rng(7)
    found = (on_one_set(trained(random, seeds, of_seed, of_face, better), n, draws=DRAWS)[0] for n in range(trials))
    return sum(one.p < 0.05 for one in found) / trials


@pytest.mark.parametrize("seeds", [[3, 3], [3, 3, 3, 3, 3, 3], [3, 1, 3, 3], [2, 4]])
@pytest.mark.parametrize(("of_seed", "of_face"), [(0.3, 0.5), (0.0, 3.0), (0.3, 3.0)])
def test_equal_recipes_differ_significantly_in_about_5_percent_of_cases(
    seeds: list[int], of_seed: float, of_face: float
) -> None:
    assert 0.015 <= share_called(seeds, of_seed, of_face) <= 0.095


def test_with_one_seed_each_the_variation_over_seeds_is_taken_for_a_difference() -> None:
    """Why the tables say so: nothing is known of it then."""
    assert share_called([1, 1], 0.3, 0.5) > 0.5


def test_a_true_difference_is_detected_and_more_rows_help() -> None:
    alone, among_others = share_called([3, 3], 0.2, 0.5, 0.5), share_called([3] * 8, 0.2, 0.5, 0.5)
    assert alone > 0.5 and among_others > alone + 0.1  # two rows know their seeds with 4 degrees of freedom, eight with 16
    assert share_called([3] * 8, 0.0, 3.0, 0.6) > 0.8  # the luck of faces counted twice would make it 0.67


def test_with_24_rows_a_clearly_best_row_stays_significant() -> None:
    errors = trained(np.random.default_rng(0), [3] * 24, 0.1, 1.0, better=1.0)
    found = on_one_set(errors, seed=0, draws=DRAWS)
    corrected = holm([one.p for one in found])
    assert len(found) == 276 and max(corrected[:23]) < 0.05  # counting 1000 draws gives no p below 0.002
    assert sum(p < 0.05 for p in corrected[23:]) <= 2


def test_tied_faces_widen_the_interval() -> None:
    random = np.random.default_rng(0)
    first, second = random.normal(size=(2, 100)).repeat(4, axis=1)
    (alone,), (tied,) = on_one_set([[first], [second]], 0), on_one_set([[first], [second]], 0, np.arange(400) // 4)
    assert tied.high - tied.low == pytest.approx(2 * (alone.high - alone.low), rel=0.1)


def test_several_sets_by_hand() -> None:
    means = np.array([[5.0, 7.0, 9.0, 6.0], [5.5, 7.52, 9.48, 6.5]])
    (found,) = on_several_sets(means, share=0.125, seed=0)
    apart = means[0] - means[1]
    assert found.value == pytest.approx(apart.mean())
    wide = 2 * 3.182 * apart.std(ddof=1) * (1 / 4 + 0.125) ** 0.5  # t with 3 degrees of freedom
    assert found.high - found.low == pytest.approx(wide, rel=0.05)


def test_equal_recipes_on_several_sets_differ_in_about_5_percent_of_cases() -> None:
    random, called = np.random.default_rng(3), []
    for trial in range(400):
        table = random.normal(size=(5, 3)) + random.normal(0, 9, size=3)  # sets differ far more than recipes
        called.append(on_several_sets(table, 0.0, trial, DRAWS)[0].p < 0.05)
    assert 0.02 <= np.mean(called) <= 0.09
