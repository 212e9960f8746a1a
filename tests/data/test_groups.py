"""Merged groups, against a flood fill over the faces."""

import numpy as np
import pytest

from agegender.data.groups import components, merge_groups


def flood_fill(group: list[int], key: list[int]) -> list[set[int]]:
    """Reference: sets of faces that are connected by a common group or key."""
    found, left = [], set(range(len(group)))
    while left:
        one, fresh = set(), {min(left)}
        while fresh:
            one |= fresh
            fresh = {j for i in fresh for j in left - one if group[i] == group[j] or key[i] == key[j]}
        found.append(one)
        left -= one
    return found


@pytest.mark.parametrize("seed", range(20))
def test_groups_that_share_a_key_are_merged_under_the_first_name(seed: int) -> None:
    rng = np.random.default_rng(seed)
    group, key = rng.integers(0, 25, 30).tolist(), rng.integers(0, 25, 30).tolist()
    merged = merge_groups([f"g{one:02}" for one in group], [f"k{one}" for one in key])
    for connected in flood_fill(group, key):
        assert {merged[i] for i in connected} == {f"g{min(group[i] for i in connected):02}"}
    assert len(set(merged)) == len(flood_fill(group, key))
    assert merged == merge_groups([f"g{one:02}" for one in group], np.array(key))


def test_a_long_chain_of_shared_keys_is_one_group() -> None:
    groups = [f"{i:04}" for i in range(500) for _ in (0, 1)]
    keys = [f"{(i + 1) // 2}" for i in range(1000)]
    assert set(merge_groups(groups, keys)) == {"0000"}


def test_no_faces() -> None:
    assert merge_groups([], []) == []


def test_components_of_pairs() -> None:
    labels = components(6, np.array([[0, 3], [3, 5], [1, 2]]))
    assert labels[0] == labels[3] == labels[5] and labels[1] == labels[2]
    assert len(set(labels.tolist())) == 3
    assert components(2, np.empty((0, 2), dtype=np.int64)).tolist() == [0, 1]
