from pathlib import Path

import numpy as np
import pytest

from agegender.errors import AgeGenderError
from agegender.inference.bundle import MODEL, OnnxModel
from agegender.inference.quantization import Loss, half, int8, loss_of_precision
from agegender.inference.run_model import training_crops
from agegender.runs.run_directory import RunDirectory


def test_half_is_half_as_large_and_nearly_equal(bundle: Path, trained_run: Path) -> None:
    model, images = (bundle / MODEL).read_bytes(), np.stack(training_crops(RunDirectory(trained_run), 20, 32))
    smaller = half(model)
    weights = 2 * 117 * 8  # bytes of the largest weight in half precision
    assert len(model) - len(smaller) > weights
    before, after = (OnnxModel(one).outputs(images) for one in (model, smaller))
    np.testing.assert_allclose(after["age"], before["age"], atol=0.5)
    np.testing.assert_allclose(after["probability_female"], before["probability_female"], atol=0.01)


def test_int8_has_int8_weights_and_is_close(bundle: Path, trained_run: Path) -> None:
    onnx = pytest.importorskip("onnx")
    model, images = (bundle / MODEL).read_bytes(), training_crops(RunDirectory(trained_run), 40, 32)
    smaller = int8(model, images)
    operators = {node.op_type for node in onnx.load_from_string(smaller).graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= operators
    before, after = (OnnxModel(one).outputs(np.stack(images)) for one in (model, smaller))
    assert np.abs(after["age"] - before["age"]).mean() < 3
    assert np.abs(after["age"] - before["age"]).max() > 0


def test_loss_counts_known_ages_ranges_and_genders() -> None:
    before = {"age": np.array([10.0, 20, 30, 25]), "probability_female": np.array([0.9, 0.1, 0.6, 0.5])}
    after = {"age": np.array([11.0, 22, 99, 33]), "probability_female": np.array([0.4, 0.1, 0.1, 0.5])}
    ages = np.array([(10.0, 10), (21, 21), (np.nan, np.nan), (20, 29)])  # distances: 0, 1, -, 0 and 1, 1, -, 4
    loss = loss_of_precision(before, after, ages, np.array([1.0, 0, np.nan, np.nan]))
    assert loss == Loss(4, (1 / 3, 2.0), (1.0, 0.5))
    with pytest.raises(AgeGenderError, match=r"label distance 0.33 becomes 2.00 years .*gender accuracy 100.0% becomes 50.0%"):
        loss.require_small(0.1, 0.005)
    loss.require_small(1.7, 0.5)
    assert loss_of_precision(before, after, np.full((4, 2), np.nan), np.full(4, np.nan)) == Loss(4, None, None)
