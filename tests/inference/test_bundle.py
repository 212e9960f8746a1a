import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from agegender.errors import AgeGenderError
from agegender.inference.bundle import CHECKSUMS, LABELS, MODEL, PREPROCESS, Bundle, OnnxModel, checksums, is_bundle
from agegender.models.checkpoint import load_network


def rewritten(bundle: Path, folder: Path, **changed: bytes) -> Path:
    """A copy of the bundle with other content and matching checksums."""
    shutil.copytree(bundle, folder)
    for name, content in changed.items():
        (folder / name.replace("__", ".")).write_bytes(content)
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != CHECKSUMS}
    (folder / CHECKSUMS).write_text(checksums(files))
    return folder


def test_outputs_equal_those_of_the_network(bundle: Path, trained_run: Path) -> None:
    import torch

    network = load_network(trained_run / "checkpoints" / "best.ckpt").network
    images = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3)).astype(np.uint8)
    found = Bundle(bundle, threads=1).outputs(images)
    with torch.inference_mode():
        expected = network.estimate(network(torch.from_numpy(images.transpose(0, 3, 1, 2).copy())))
    assert set(found) == {"age", "probability_female", "age_distribution"}
    for name, values in found.items():
        np.testing.assert_allclose(values, expected[name].numpy(), atol=1e-4)
    assert found["age_distribution"].shape == (5, 117)


def test_checksums_are_in_the_format_of_sha256sum(bundle: Path) -> None:
    subprocess.run(["sha256sum", "--check", "--strict", CHECKSUMS], cwd=bundle, check=True, capture_output=True)
    assert is_bundle(bundle)


def test_it_needs_neither_torch_nor_pandas(bundle: Path) -> None:
    code = f"""
import sys
for name in ("torch", "pandas", "lightning", "hydra", "timm", "scipy", "matplotlib", "albumentations", "torchvision"):
    sys.modules[name] = None  # importing it raises
import numpy as np
from agegender.inference.bundle import Bundle
print(Bundle({str(bundle)!r}).outputs(np.zeros((2, 32, 32, 3), np.uint8))["age"].shape)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "(2,)\n", done.stderr


@pytest.mark.parametrize("name", [MODEL, PREPROCESS, LABELS])
def test_a_changed_file_is_refused(name: str, bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(bundle, tmp_path / "b")
    (tmp_path / "b" / name).write_bytes((bundle / name).read_bytes() + b" ")
    with pytest.raises(AgeGenderError, match=f"{name}: damaged or changed"):
        Bundle(tmp_path / "b")


def test_a_link_is_refused(bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(bundle, tmp_path / "b")
    (tmp_path / "b" / LABELS).unlink()
    (tmp_path / "b" / LABELS).symlink_to(bundle / LABELS)
    with pytest.raises(AgeGenderError, match="a link"):
        Bundle(tmp_path / "b")


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "..", "", "a\\b", "a\0b"])
def test_checksums_cannot_name_a_file_elsewhere(name: str, bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(bundle, tmp_path / "b")
    with (tmp_path / "b" / CHECKSUMS).open("a") as file:
        file.write(f"{'0' * 64}  {name}\n")
    with pytest.raises(AgeGenderError, match="does not name a file of the bundle"):
        Bundle(tmp_path / "b")


def test_a_fifo_does_not_block(bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(bundle, tmp_path / "b")
    (tmp_path / "b" / LABELS).unlink()
    os.mkfifo(tmp_path / "b" / LABELS)
    with pytest.raises(AgeGenderError, match=f"it has no file {LABELS}"):
        Bundle(tmp_path / "b")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"preprocess__json": b"{"}, "not valid JSON"),
        ({"preprocess__json": b"[1]"}, "must hold a JSON object"),
        ({"preprocess__json": b'{"schema": 2}'}, "has schema 2; this version reads schema 1"),
        ({"preprocess__json": b'{"schema": 1, "image_size": 64}'}, "not the size of the model's input"),
        ({"model__onnx": b"no model"}, "ONNX Runtime cannot open it"),
    ],
)
def test_other_content_is_refused(changed: dict[str, bytes], message: str, bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(AgeGenderError, match=message):
        Bundle(rewritten(bundle, tmp_path / "b", **changed))


def test_a_folder_without_checksums_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(AgeGenderError, match="not a bundle: it has no file"):
        Bundle(tmp_path)
    (tmp_path / CHECKSUMS).write_text("")
    with pytest.raises(AgeGenderError, match=f"does not list {MODEL}"):
        Bundle(tmp_path)
    assert not is_bundle(tmp_path)


@pytest.mark.parametrize("location", ["secret.bin", "../secret.bin", "{folder}/secret.bin"])
def test_weights_in_another_file_are_not_read(location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper

    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for folder in (tmp_path, tmp_path / "here"):
        (folder / "secret.bin").write_bytes(np.arange(4, dtype=np.float32).tobytes())
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location.format(folder=tmp_path), "offset": "0", "length": "16"}.items():
        weight.external_data.add(key=key, value=value)
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", 4, 4, 3])
    age = helper.make_tensor_value_info("age", TensorProto.FLOAT, [4])
    graph = helper.make_graph([helper.make_node("Identity", ["w"], ["age"])], "g", [image], [age], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    assert onnx.ModelProto.FromString(model.SerializeToString()).graph.initializer[0].external_data
    with pytest.raises(AgeGenderError, match="cannot open it"):
        OnnxModel(model.SerializeToString())


def test_a_model_of_another_project_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    from onnx import TensorProto, helper

    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", values[:1], values[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    with pytest.raises(AgeGenderError, match="not a model of agegender"):
        OnnxModel(model.SerializeToString())


def constant(value: object, kind: str = "FLOAT", name: str = "age") -> OnnxModel:
    """A model with one output, which is the same for any images."""
    pytest.importorskip("onnx")
    from onnx import TensorProto, helper

    array, number = np.asarray(value), getattr(TensorProto, kind)
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", 32, 32, 3])
    output = helper.make_tensor_value_info(name, number, array.shape)
    content = helper.make_tensor("value", number, array.shape, array.flatten().tolist())
    graph = helper.make_graph([helper.make_node("Constant", [], [name], value=content)], "g", [image], [output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return OnnxModel(model.SerializeToString())


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([np.nan], "age is not finite"),
        ([np.inf], "age is not finite"),
        (3.0, r"age has the shape \(\) for 1 images"),
        ([[3.0]], r"age has the shape \(1, 1\) for 1 images"),
        ([], r"age has the shape \(0,\) for 1 images"),
    ],
)
def test_outputs_of_another_shape_or_that_are_not_finite_are_refused(value: object, message: str) -> None:
    with pytest.raises(AgeGenderError, match=rf"^model\.onnx: {message}$"):
        constant(value).outputs(np.zeros((1, 32, 32, 3), np.uint8))


def test_outputs_of_another_type_and_images_of_another_size_are_refused() -> None:
    with pytest.raises(AgeGenderError, match="not a model of agegender"):
        constant([b"x"], "STRING")
    with pytest.raises(AgeGenderError, match=r"^model\.onnx: ONNX Runtime cannot run it: [^\n]+$"):
        constant([3.0]).outputs(np.zeros((1, 8, 8, 3), np.uint8))


def test_labels_and_licences_travel_with_it(bundle: Path) -> None:
    labels = json.loads((bundle / LABELS).read_text())
    assert labels["gender"]["0"] == "male"
    assert "appearance" in labels["gender"]["meaning"].lower()
    assert "non-commercial" in labels["licenses"]["utkface"]


def test_onnx_runtime_sends_no_usage_data(bundle: Path, tmp_path: Path) -> None:
    code = f"from agegender.inference.bundle import Bundle; Bundle({str(bundle)!r}); from time import sleep; sleep(0.3)"
    kept = {name: value for name, value in os.environ.items() if name not in ("CI", "ORT_DISABLE_TELEMETRY")}
    environment = {**kept, "TMPDIR": str(tmp_path), "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert list(tmp_path.iterdir()) == []  # no identifier of this machine: the uploader was not started
