"""Differences between recipes whose models, one or several seeds of each, were tested on the same faces."""

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from agegender.metrics.chance import DRAWS, Difference, bootstrap_means, difference, seed_chance, t_noise


def on_one_set(
    recipes: Sequence[ArrayLike], seed: int, groups: ArrayLike | None = None, draws: int = DRAWS
) -> list[Difference]:
    """Differences where all models were tested on one set of faces.

    Faces are resampled, the same for both, and the mean over seeds is as uncertain as seeds scatter. That scatter holds the
    chance of how single faces came out in a model of this seed; so does the resampling of faces, which is therefore narrowed
    by it: it would count twice, and differences would have to be up to 1.4 times larger to be seen.

    Args:
        recipes: of each, one number a seed and face, [K, N], of the same N faces; K may differ and be 1.
        seed: of the draws.
        groups: see ``bootstrap_means``.
        draws: how many.

    Returns:
        First minus second of every pair, in the order of ``itertools.combinations``.
    """
    every = [np.asarray(recipe, dtype=np.float64) for recipe in recipes]
    table = np.stack([recipe.mean(axis=0) for recipe in every], axis=1)
    means, drawn = table.mean(axis=0), bootstrap_means(table, seed, draws, groups)
    chance = seed_chance(every, groups)
    noise = t_noise([math.sqrt(chance.variance / len(recipe)) for recipe in every], chance.freedom, seed, draws)
    faces = (len(table) if groups is None else len(np.unique(np.asarray(groups)))) - 1
    found = []
    for i, j in combinations(range(len(every)), 2):
        value, either = float(means[i] - means[j]), 1 / len(every[i]) + 1 / len(every[j])
        of_faces = drawn[:, i] - drawn[:, j] - value
        spread = float(of_faces.var())
        narrowed = max(0.0, spread - chance.share_of_faces * either)
        of_faces *= math.sqrt(narrowed / spread) if spread else 1.0
        of_seeds = chance.variance * either
        freedom = _freedom((narrowed, faces), (of_seeds, chance.freedom))
        around = value + of_faces + noise[:, i] - noise[:, j]
        found.append(difference(value, around, math.sqrt(narrowed + of_seeds), freedom))
    return found


def _freedom(*parts: tuple[float, int]) -> float:
    """Degrees of freedom of a sum of variances, each with its own (Welch and Satterthwaite)."""
    whole = sum(variance for variance, _ in parts)
    below = sum(variance**2 / freedom for variance, freedom in parts if freedom)
    return whole**2 / below if below else math.inf


def on_several_sets(means: ArrayLike, share: float, seed: int, draws: int = DRAWS) -> list[Difference]:
    """Differences where every seed has its own split, and with it its own test faces.

    Each set is one trial of all recipes: what recipes and sets leave over is chance, of faces and of seeds. The training
    parts of the splits overlap, so a mean over them is less certain than over independent trials (Nadeau and Bengio, 2003).

    Args:
        means: a figure of each recipe on each set, [R, S] with at least two of both.
        share: test faces per training face.
        seed: of the draws.
        draws: how many.

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
