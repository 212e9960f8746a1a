"""The command with each format and precision, and its mistakes."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from agegender.configuration.paths import PACKAGE
from agegender.export import main
from agegender.inference.bundle import Bundle
from agegender.models.checkpoint import load_network
from agegender.runs.run_directory import RunDirectory


def failed(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    with pytest.raises(SystemExit) as exit:
        main([*map(str, arguments)])
    assert exit.value.code == 2
    return capsys.readouterr().err


def test_a_bundle_has_model_description_and_metrics(
    trained_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "terms.md").write_text("CC BY 4.0 for the weights\n")
    main([str(trained_run), str(tmp_path / "b"), "--license", str(tmp_path / "terms.md")])
    out = capsys.readouterr().out
    assert "largest difference from the network: age " in out and "takes cropped faces only" in out
    assert json.loads((tmp_path / "b" / "metrics.json").read_text()) == json.loads((trained_run / "metrics.json").read_text())
    assert {p.name for p in (tmp_path / "b").iterdir()} == {
        "model.onnx", "preprocess.json", "labels.json", "licenses.md", "modelcard.md", "metrics.json", "calibration.json",
        "config.yaml", "checksums.txt",
    }  # fmt: skip
    Bundle(tmp_path / "b")
    listed = (tmp_path / "b" / "checksums.txt").read_text().splitlines()
    assert len(listed) == 8
    card, licenses = ((tmp_path / "b" / name).read_text() for name in ("modelcard.md", "licenses.md"))
    assert "# Model card: run" in card and "## Data and licences" in card
    assert "| utkface | UTKFace: for non" in licenses
    assert "Initial weights: random" in licenses
    assert card.endswith("\nCC BY 4.0 for the weights\n") and "\nCC BY 4.0 for the weights\n" in licenses
    config = (tmp_path / "b" / "config.yaml").read_text()
    assert yaml.safe_load(config)["head"] == RunDirectory(trained_run).read_config()["head"]
    assert "faces0" in config and not any(str(p.parent) in config for p in (trained_run, tmp_path))  # no folder of this machine


def test_terms_that_cannot_be_read(trained_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "none.md: cannot be read" in failed(capsys, trained_run, tmp_path / "b", "--license", tmp_path / "none.md")
    os.mkfifo(tmp_path / "pipe.md")  # reading it would wait forever
    assert "cannot be read as text: not a regular file" in failed(
        capsys, trained_run, tmp_path / "b", "--license", tmp_path / "pipe.md"
    )


def test_half_precision_reports_its_loss(trained_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(trained_run), str(tmp_path / "b"), "--precision", "fp16"])
    assert "MB becomes" in (out := capsys.readouterr().out) and "(n=6, validation split)" in out
    assert Bundle(tmp_path / "b").outputs(np.zeros((1, 32, 32, 3), np.uint8))["age"].dtype == np.float32


def test_a_precision_that_costs_too_much_is_refused(
    trained_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agegender.export.YEARS", -100.0)
    error = failed(capsys, trained_run, tmp_path / "b", "--precision", "int8")
    assert "refused: label distance " in error and "on 6 validation faces" in error
    assert not (tmp_path / "b").exists()


def test_a_program_for_torch(trained_run: Path, tmp_path: Path) -> None:
    # In processes of their own: PyTorch has crashed in this after many other tests.
    command = [sys.executable, "-m", "agegender.export", trained_run, tmp_path / "b", "--format", "torch_export"]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)})
    subprocess.run([sys.executable, "-c", CHECK_PROGRAM, tmp_path / "b" / "model.pt2", trained_run], check=True,
                   env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)})  # fmt: skip


CHECK_PROGRAM = """
import sys, torch
from agegender.models.checkpoint import load_network
from agegender.runs.run_directory import RunDirectory
program = torch.export.load(sys.argv[1]).module()
images = torch.randint(0, 256, (3, 32, 32, 3), dtype=torch.uint8)
network = load_network(RunDirectory(sys.argv[2]).best).network
with torch.inference_mode():
    expected = network.estimate(network(images.permute(0, 3, 1, 2)))["age"]
    torch.testing.assert_close(program(images)[0], expected, atol=1e-3, rtol=0)
"""


def test_weights_as_safetensors(trained_run: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    from agegender.models.checkpoint import build_network

    main([str(trained_run), str(tmp_path / "b"), "--format", "safetensors"])
    config = json.loads((tmp_path / "b" / "network.json").read_text())["network"]
    rebuilt = build_network(config, ["age", "gender"]).eval()
    rebuilt.load_state_dict(load_file(tmp_path / "b" / "model.safetensors"))
    network = load_network(RunDirectory(trained_run).best).network
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    with torch.inference_mode():
        torch.testing.assert_close(rebuilt(images)["age"], network(images)["age"])


def test_mistakes_are_one_line(trained_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    assert "exists already" in failed(capsys, trained_run, tmp_path / "full")
    assert "not a run directory" in failed(capsys, tmp_path, tmp_path / "b")
    assert "only for --format onnx" in failed(
        capsys, trained_run, tmp_path / "b", "--format", "safetensors", "--precision", "int8"
    )
    assert "only for --format onnx" in failed(
        capsys, trained_run, tmp_path / "b", "--format", "safetensors", "--push", "hf://a/b"
    )
    assert "expected hf://USER/NAME" in failed(capsys, trained_run, tmp_path / "b", "--push", "a/b")
    assert "cannot be read" in failed(capsys, trained_run, tmp_path / "b", "--detector-weights", tmp_path / "none.onnx")
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("name", "content"), [("config.yaml", b"data: {}\n"), ("modelcard.md", b"\xff\xfe\xff"), ("model.json", b"noise")]
)
def test_a_damaged_run_is_one_line_that_names_the_file(
    name: str, content: bytes, trained_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(trained_run, tmp_path / "run")
    (tmp_path / "run" / name).write_bytes(content)
    error = failed(capsys, tmp_path / "run", tmp_path / "b", "--format", "safetensors")
    assert error.startswith(f"error: {tmp_path / 'run' / name}: ") and not (tmp_path / "b").exists()
