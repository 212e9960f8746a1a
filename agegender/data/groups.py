"""Groups of faces: all faces of a group go to the same split."""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def components(number: int, pairs: np.ndarray) -> np.ndarray:
    """Connected components of a graph.

    Args:
        number: Number of nodes, N.
        pairs: ``[P, 2]`` nodes that an edge connects.

    Returns:
        ``[N]`` component of each node, from 0.
    """
    edges = np.ones(len(pairs), dtype=bool), (pairs[:, 0], pairs[:, 1])
    return connected_components(coo_array(edges, shape=(number, number)), directed=False)[1]


def merge_groups(groups: Sequence[str], keys: Sequence[str] | np.ndarray) -> list[str]:
    """Merges groups that share a key, directly or through other groups.

    Example: group a shares one key with group b, and b shares another key with c. Then a, b and c become one group.

    Args:
        groups: Name of the group of each face.
        keys: Key of each face; faces with equal keys belong together.

    Returns:
        Name of the new group of each face: the alphabetically first name of the merged groups.
    """
    names, group = np.unique(np.asarray(groups, dtype=object), return_inverse=True)
    different, key = np.unique(np.asarray(keys), return_inverse=True)
    # A graph with one node per group and one per key; each face is an edge between its group and its key.
    edges = np.stack([group, len(names) + key], axis=1)
    component = components(len(names) + len(different), edges)[: len(names)]
    _, first, position = np.unique(component, return_index=True, return_inverse=True)
    return names[first[position]][group].tolist()
