"""A bundle for further training is read as it was written, and a bad one is refused."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from agegender import Predictor
from agegender.errors import AgeGenderError
from agegender.export import main as export
from agegender.inference.bundle import CHECKSUMS, checksums
from agegender.inference.safetensors_bundle import NETWORK, SEEN, WEIGHTS, read_safetensors
from agegender.models.checkpoint import PREFIX, read_model
from agegender.runs.run_directory import RunDirectory


@pytest.fixture(scope="module")
def exported(trained_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("safetensors") / "bundle"
    export([str(trained_run), str(folder), "--format", "safetensors"])
    return folder


def changed(bundle: Path, folder: Path, name: str, content: bytes | None) -> Path:
    """A copy in which a file is replaced or removed, with right checksums."""
    shutil.copytree(bundle, folder)
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != CHECKSUMS}
    (folder / CHECKSUMS).write_text(checksums(files))
    return folder


def test_it_holds_weights_settings_and_seen_images(exported: Path, trained_run: Path) -> None:
    arguments, weights, seen = read_safetensors(exported)
    run = RunDirectory(trained_run)
    expected, state = read_model(run.best)
    assert (arguments["network"], arguments["about"]) == (expected["network"], json.loads(json.dumps(expected["about"])))
    assert {PREFIX + name for name in weights} == {name for name in state if name.startswith(PREFIX)}
    for name, value in weights.items():
        torch.testing.assert_close(value, state[PREFIX + name])
    assert seen == run.read_seen()


def test_it_neither_predicts_nor_is_exported_again(
    exported: Path, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(
        AgeGenderError, match=r"a bundle without model\.onnx; only one of agegender\.export --format onnx predicts"
    ):
        Predictor.load(exported)
    for one in (exported, bundle):
        with pytest.raises(SystemExit):
            export([str(one), str(tmp_path / "b")])
        assert f"error: {one}: a bundle already; name the run directory of the training" in capsys.readouterr().err


def test_bad_bundles_are_one_line(exported: Path, tmp_path: Path) -> None:
    assert read_safetensors(changed(exported, tmp_path / "a", SEEN, None))[2] is None
    earlier = json.dumps({"network": json.loads((exported / NETWORK).read_text())["network"]}).encode()
    broken = {
        "b": (NETWORK, earlier, "export the run again"),
        "c": (NETWORK, b"{", "cannot be read"),
        "d": (WEIGHTS, b"nonsense", "cannot be read"),
        "e": (WEIGHTS, None, "does not list model.safetensors"),
        "f": (NETWORK, json.dumps({"network": 3, "about": {}}).encode(), "does not fit this version"),
    }
    for folder, (name, content, message) in broken.items():
        with pytest.raises(AgeGenderError, match=message) as error:
            read_safetensors(changed(exported, tmp_path / folder, name, content))
        assert len(str(error.value).splitlines()) == 1
