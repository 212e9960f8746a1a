import numpy as np

from agegender.sources.toyfaces.pen import Pen, curve, oval, strip


def test_every_pose_keeps_the_head_inside_the_image():
    for seed in range(200):
        pen = Pen(np.zeros((160, 160, 3), np.uint8), skull=1.2, chin=1.4, rng=np.random.default_rng(seed))
        top, chin, left, right, nose = pen.place(np.array([[0, -1.2], [0, 1.4], [-1, 0], [1, 0], [0, 0.4]])) / 16
        assert 0 < top[1] < nose[1] < chin[1] < 160
        assert 0 < left[0] < nose[0] < right[0] < 160
        assert abs(pen.turn) <= 0.3


def test_turning_the_head_moves_the_nose_and_not_the_edge():
    pens = [Pen(np.zeros((160, 160, 3), np.uint8), 1.2, 1.4, np.random.default_rng(1)) for _ in range(2)]
    pens[0].turn, pens[1].turn = 0.0, 0.3
    edge, nose = (
        np.abs(pens[0].place(points) - pens[1].place(points)).max() for points in (oval(0, 0, 1, 0)[::12], np.zeros((1, 2)))
    )
    assert edge <= 1 and nose > 16


def test_fill_changes_only_the_inside():
    pen = Pen(np.zeros((160, 160, 3), np.uint8), 1.2, 1.4, np.random.default_rng(0))
    pen.fill(oval(0, 0.2, 0.3, 0.2), (250, 120, 60))
    x, y = pen.place(np.array([0, 0.2])) // 16
    assert pen.canvas[y, x].tolist() == [250, 120, 60] and pen.canvas[:20].max() == 0


def test_soften_adds_on_both_sides_without_overflow():
    pen = Pen(np.full((160, 160, 3), 240, np.uint8), 1.2, 1.4, np.random.default_rng(0))
    pen.soften([(0.5, 0.3, 0.3, 0.3, (-60.0, 0.0, 60.0))])
    for side in (-0.5, 0.5):
        x, y = pen.place(np.array([side, 0.3])) // 16
        red, green, blue = pen.canvas[y, x].tolist()
        assert red < 200 and green == 240 and blue == 255
    assert (pen.canvas[:8] == 240).all()


def test_curve_and_strip_have_the_expected_points():
    bend = curve((0, 0), (1, 2), (2, 0))
    np.testing.assert_allclose(bend[[0, 4, 8]], [[0, 0], [1, 1], [2, 0]])
    area = strip(bend, 0.5, 0.25)
    np.testing.assert_allclose(area[:9], bend - (0, 0.5))
    np.testing.assert_allclose(area[9:], bend[::-1] - (0, -0.25))
