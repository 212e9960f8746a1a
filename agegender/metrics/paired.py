"""Differences between recipes that were tested on the same faces, with one or several seeds each."""

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from agegender.metrics.chance import DRAWS, Difference, bootstrap_means, difference, seed_variance, t_noise


def on_one_set(
    recipes: Sequence[ArrayLike], seed: int, groups: ArrayLike | None = None, draws: int = DRAWS
) -> list[Difference]:
    """Differences between models that were tested on one set of faces.

    Two sources of variance add up: the sample of faces, by a paired bootstrap, and the seed, by Student's t. Both contain the
    random result of a seed on single faces, so this component is subtracted from the bootstrap. Counted twice, it would
    make the smallest detectable difference up to 1.4 times larger.

    Args:
        recipes: For each recipe one number a seed and face, [K, N], of the same N faces. K may differ and be 1.
        seed: Of the draws.
        groups: See ``bootstrap_means``.
        draws: Number of draws.

    Returns:
        First minus second for every pair, in the order of ``itertools.combinations``.
    """
    every = [np.asarray(recipe, dtype=np.float64) for recipe in recipes]
    table = np.stack([recipe.mean(axis=0) for recipe in every], axis=1)
    means, drawn = table.mean(axis=0), bootstrap_means(table, seed, draws, groups)
    seeds = seed_variance(every, groups)
    noise = t_noise([math.sqrt(seeds.variance / len(recipe)) for recipe in every], seeds.freedom, seed, draws)
    faces = (len(table) if groups is None else len(np.unique(np.asarray(groups)))) - 1
    found = []
    for i, j in combinations(range(len(every)), 2):
        value, either = float(means[i] - means[j]), 1 / len(every[i]) + 1 / len(every[j])
        of_faces = drawn[:, i] - drawn[:, j] - value
        spread = float(of_faces.var())
        narrowed = max(0.0, spread - seeds.of_faces * either)
        of_faces *= math.sqrt(narrowed / spread) if spread else 1.0
        of_seeds = seeds.variance * either
        freedom = _freedom((narrowed, faces), (of_seeds, seeds.freedom))
        around = value + of_faces + noise[:, i] - noise[:, j]
        found.append(difference(value, around, math.sqrt(narrowed + of_seeds), freedom))
    return found


def _freedom(*terms: tuple[float, int]) -> float:
    """Degrees of freedom of a sum of variances, given the variance and degrees of freedom of each (Welch and Satterthwaite)."""
    whole = sum(variance for variance, _ in terms)
    below = sum(variance**2 / freedom for variance, freedom in terms if freedom)
    return whole**2 / below if below else math.inf


def on_several_sets(means: ArrayLike, share: float, seed: int, draws: int = DRAWS) -> list[Difference]:
    """Differences between models if every seed has its own split, and so its own test faces.

    Each test set is one trial of all recipes: the residuals after recipes and sets are the error, of faces and of seeds. The
    training splits overlap, so the mean over them varies more than over independent trials (Nadeau and Bengio, 2003).

    Args:
        means: A metric of each recipe on each set, [R, S] with at least two of both.
        share: Number of test faces divided by the number of training faces.
        seed: Of the draws.
        draws: Number of draws.

    Returns:
        As ``on_one_set``.
    """
    table = np.asarray(means, dtype=np.float64)
    recipes, sets = table.shape
    left = table - table.mean(axis=0) - table.mean(axis=1, keepdims=True) + table.mean()
    freedom = (recipes - 1) * (sets - 1)
    error = math.sqrt(float((left**2).sum()) / freedom * (1 / sets + share))
    noise, over_sets = t_noise([error] * recipes, freedom, seed, draws), table.mean(axis=1)
    found = []
    for i, j in combinations(range(recipes), 2):
        value = float(over_sets[i] - over_sets[j])
        found.append(difference(value, value + noise[:, i] - noise[:, j], math.sqrt(2) * error, freedom))
    return found
