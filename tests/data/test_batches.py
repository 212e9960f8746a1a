"""Batches: order, sharding among ranks, seeds; with many random sizes."""

import numpy as np
import pytest

from agegender.data.batches import EvalBatches, TrainBatches
from agegender.errors import AgeGenderError


def _shapes(count: int):
    generator = np.random.default_rng(0)
    for _ in range(count):
        faces, batch, ranks = generator.integers(1, 90), generator.integers(1, 17), generator.integers(1, 5)
        if faces >= ranks:
            rows = generator.choice(1000, size=faces, replace=False)
            yield rows, int(batch), int(ranks), int(generator.integers(0, 99))


def test_several_ranks_have_the_global_batches_of_one_rank():
    for rows, batch, ranks, seed in _shapes(200):
        for epoch in (0, 1, 7):
            shards = [TrainBatches(rows, batch, seed, rank, ranks) for rank in range(ranks)]
            whole = TrainBatches(rows, batch * ranks, seed)
            for one in (*shards, whole):
                one.set_epoch(epoch)
            steps = [list(one) for one in shards]
            expected = list(whole)
            assert {len(one) for one in steps} == {len(expected)} == {len(one) for one in (*shards, whole)}
            for number, step in enumerate(expected):
                together = np.concatenate([one[number].indices for one in steps])
                assert sorted(together) == sorted(step.indices)
                assert len({one[number].seed for one in steps}) == ranks


def test_a_face_occurs_at_most_once_an_epoch_and_only_an_incomplete_batch_is_dropped():
    for rows, batch, ranks, seed in _shapes(200):
        shards = [TrainBatches(rows, batch, seed, rank, ranks) for rank in range(ranks)]
        seen = np.concatenate([step.indices for shard in shards for step in shard])
        assert len(set(seen)) == len(seen) and set(seen) <= set(rows)
        complete = len(rows) // (batch * ranks) * batch * ranks
        assert len(seen) == (complete or len(rows))
        assert all(len(step.indices) for shard in shards for step in shard)


def test_order_and_seeds_depend_on_the_epoch_number_only():
    one = TrainBatches(np.arange(50), 8, seed=4)
    orders = []
    for epoch in range(4):
        one.set_epoch(epoch)
        orders.append(list(one))
    again = TrainBatches(np.arange(50), 8, seed=4)
    again.set_epoch(2)  # as after resuming
    for a, b in zip(again, orders[2], strict=True):
        assert np.array_equal(a.indices, b.indices) and a.seed == b.seed
    firsts = [tuple(order[0].indices) for order in orders]
    assert len(set(firsts)) == 4
    seeds = [step.seed for order in orders for step in order]
    assert len(set(seeds)) == len(seeds)
    other = next(iter(TrainBatches(np.arange(50), 8, seed=5)))
    assert tuple(other.indices) != firsts[0] and other.seed != orders[0][0].seed


def test_every_face_is_used_over_several_epochs():
    batches = TrainBatches(np.arange(11), 4, seed=0)  # 3 faces are left over each time
    seen = set()
    for epoch in range(12):
        batches.set_epoch(epoch)
        seen |= {int(row) for step in batches for row in step.indices}
    assert seen == set(range(11))


def test_weights_draw_in_proportion_with_replacement():
    rows = np.arange(100, 104)
    batches = TrainBatches(np.repeat(rows, 500), 50, seed=0, weights=np.repeat([1.0, 2.0, 3.0, 0.0], 500))
    drawn = np.concatenate([step.indices for step in batches])
    assert len(drawn) == 2000
    shares = [(drawn == row).mean() for row in rows]
    assert np.abs(np.array(shares) - np.array([1, 2, 3, 0]) / 6).max() < 0.05


def test_fewer_faces_than_ranks_raise():
    with pytest.raises(AgeGenderError, match=r"3 training faces .* 4 processes"):
        TrainBatches(np.arange(3), 2, 0, rank=1, world_size=4)


def test_evaluation_has_every_face_exactly_once_in_the_batch_of_a_single_rank():
    for rows, batch, ranks, _ in _shapes(200):
        alone = [step.indices.tolist() for step in EvalBatches(rows, batch)]
        shards = [[step.indices.tolist() for step in EvalBatches(rows, batch, rank, ranks)] for rank in range(ranks)]
        dealt = [step for steps in zip(*shards, strict=True) for step in steps]
        assert dealt[: len(alone)] == alone and not any(dealt[len(alone) :])
        assert [row for step in alone for row in step] == rows.tolist()


@pytest.mark.parametrize(("faces", "batch", "sizes"), [(2, 8, [[2], [0], [0]]), (7, 2, [[2, 1], [2, 0], [2, 0]])])
def test_evaluation_has_equally_many_batches_on_each_rank_and_the_last_may_be_empty(faces, batch, sizes):
    shards = [EvalBatches(np.arange(faces), batch, rank, 3) for rank in range(3)]
    assert [[len(step.indices) for step in shard] for shard in shards] == sizes
    assert len({len(shard) for shard in shards}) == 1
    assert list(EvalBatches(np.arange(0), 8)) == []
