"""Feature caches: rows, views, memory layout, interrupted builds and a full disk."""

import errno
import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from agegender.data.batches import BatchIndex
from agegender.data.features import FeatureCache, Features
from agegender.errors import AgeGenderError

FACES = np.array([2, 3, 7, 11, 12])


def batches(scale: float = 1.0) -> Iterator[np.ndarray]:
    for faces in (FACES[:2], FACES[2:]):
        yield (scale * faces[:, None, None] + np.arange(6).reshape(2, 3)).astype(np.float32)


def never() -> Iterator[np.ndarray]:
    raise AssertionError("computed again")
    yield


@pytest.mark.parametrize("copy", [False, True])
def test_rows_of_the_face_table_map_to_their_features(copy: bool, tmp_path: Path) -> None:
    cache = FeatureCache.open_or_build(["a"], FACES, (2, 3), False, tmp_path, batches())
    if copy:
        pickled = pickle.dumps(cache)
        assert len(pickled) < 1000
        cache = pickle.loads(pickled)
    found = cache[np.array([11, 2, 12, 2])]
    assert found.dtype == np.float32 and found.flags.writeable
    np.testing.assert_array_equal(found, np.array([11, 2, 12, 2])[:, None, None] + np.arange(6).reshape(2, 3))


def test_the_same_recipe_opens_the_same_cache(tmp_path: Path) -> None:
    FeatureCache.open_or_build(["a", {"x": 1}], FACES, (2, 3), False, tmp_path, batches())
    same = FeatureCache.open_or_build(["a", {"x": 1}], FACES, (2, 3), False, tmp_path, never())
    other = FeatureCache.open_or_build(["a", {"x": 2}], FACES, (2, 3), False, tmp_path, batches(2.0))
    assert same[FACES][0, 0, 0] == 2 and other[FACES][0, 0, 0] == 4


def test_an_interrupted_build_leaves_no_file_and_the_next_one_succeeds(tmp_path: Path) -> None:
    def interrupted() -> Iterator[np.ndarray]:
        yield next(batches())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        FeatureCache.open_or_build(["a"], FACES, (2, 3), False, tmp_path, interrupted())
    assert not [path for path in (tmp_path / "features").iterdir() if path.suffix != ".lock"]
    assert len(FeatureCache.open_or_build(["a"], FACES, (2, 3), False, tmp_path, batches())[FACES]) == 5


def test_a_full_disk_is_a_one_line_error_with_alternatives(tmp_path: Path) -> None:
    def full() -> Iterator[np.ndarray]:
        yield next(batches())
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(AgeGenderError, match=r"\.npy \(1\.2e-07 GB\): No space left.*loader\.cache_dir=.*views=0"):
        FeatureCache.open_or_build(["a"], FACES, (2, 3), False, tmp_path, full())


def test_epochs_cycle_through_the_views_and_later_ones_use_images(tmp_path: Path) -> None:
    views = [FeatureCache.open_or_build([scale], FACES, (2, 3), False, tmp_path, batches(scale)) for scale in (1.0, 10.0)]
    features = Features(views, epochs=3)
    seen = [features.of(BatchIndex(np.array([7]), 0, epoch)) for epoch in range(4)]
    assert [None if one is None else one[0, 0, 0] for one in seen] == [7, 70, 7, None]


def test_feature_maps_keep_their_memory_layout(tmp_path: Path) -> None:
    maps = np.random.default_rng(0).normal(size=(5, 2, 3, 4)).astype(np.float32)
    for channels_last in (True, False):
        cache = FeatureCache.open_or_build(["a"], FACES, (2, 3, 4), channels_last, tmp_path, [maps[:2], maps[2:]])
        for one in (cache, pickle.loads(pickle.dumps(cache))):
            found = one[FACES[[3, 1]]]
            np.testing.assert_array_equal(found, maps[[3, 1]])
            tensor = torch.from_numpy(found)
            assert tensor.is_contiguous(memory_format=torch.channels_last if channels_last else torch.contiguous_format)


@pytest.mark.parametrize("missing", [0, 5, 13])
def test_a_face_without_features_raises(missing: int, tmp_path: Path) -> None:
    cache = FeatureCache.open_or_build(["a"], FACES, (2, 3), False, tmp_path, batches())
    with pytest.raises(IndexError, match=f"no features of row {missing} "):
        cache[np.array([2, missing])]
