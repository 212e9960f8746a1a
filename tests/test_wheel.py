"""The source distribution and the wheel that is built from it, installed into a folder of its own and run from elsewhere."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from agegender.version import __version__

ROOT = Path(__file__).resolve().parents[1]


def run(*arguments: str, cwd: Path, installed: Path | None = None) -> str:
    environment = {**os.environ, "PYTHONPATH": str(installed or "")}
    done = subprocess.run([sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the source distribution and not from this folder."""
    folder = tmp_path_factory.mktemp("wheel")
    run("-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT), cwd=folder)
    [source], [file] = folder.glob("*.tar.gz"), folder.glob("*.whl")
    assert source.name.removesuffix(".tar.gz").split("-") == file.name.split("-")[:2] == ["agegender", __version__]
    return file


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the installed package and nothing else."""
    folder = tmp_path_factory.mktemp("installed")
    pip = ["-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps", "--no-index"]
    run(*pip, "--target", str(folder), str(wheel), cwd=folder)
    return folder


def test_the_wheel_holds_the_whole_package_and_its_configuration_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if not name.split("/")[0].endswith(".dist-info")}
        metadata = next(name for name in archive.namelist() if name.endswith("METADATA"))
        description = archive.read(metadata).decode()
        licenses = [name for name in archive.namelist() if name.endswith("/LICENSE")]
    package = {p.relative_to(ROOT).as_posix() for name in ("agegender", "hydra_plugins") for p in (ROOT / name).rglob("*.py")}
    conf = {f"agegender/{p.relative_to(ROOT).as_posix()}" for p in (ROOT / "conf").rglob("*.yaml")}
    templates = {p.relative_to(ROOT).as_posix() for p in (ROOT / "agegender").rglob("templates/*")}
    released = {p.relative_to(ROOT).as_posix() for p in (ROOT / "agegender/inference/released").iterdir()}
    assert held == package | conf | templates | released and templates and released
    # what a careless .gitignore line would drop
    assert {"agegender/data/datamodule.py", "agegender/conf/data/utkface.yaml", "agegender/conf/train.yaml"} <= held
    assert len(licenses) == 1 and "Requires-Dist: torch" in description


def test_installed_it_trains_from_anywhere_with_groups_of_ones_own(installed: Path, tmp_path: Path) -> None:
    where = run("-c", "import agegender; print(agegender.__file__)", cwd=tmp_path, installed=installed)
    assert Path(where.strip()) == installed / "agegender" / "__init__.py"

    own = tmp_path / "my_conf"
    files = {  # one more choice of a group that exists, and a group that does not
        "head/wide.yaml": "defaults: [dldl]\nsigma: 5.0\n",
        "recipe/tiny.yaml": "# @package _global_\nimage_size: 16\nbackbone: {widths: [4, 8]}\ntrainer: {max_epochs: 1}\n",
    }
    for name, text in files.items():
        (own / name).parent.mkdir(parents=True)
        (own / name).write_text(text)
    overrides = ["head=wide", "+recipe=tiny", "data.sources.toyfaces.n=60", "data.root=faces", "hydra.run.dir=run"]
    output = run("-m", "agegender.train", "--config-dir", "my_conf", *overrides, cwd=tmp_path, installed=installed)
    assert "MAE" in output and "appearance" in output
    config = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert (config["head"]["sigma"], config["image_size"], config["backbone"]["widths"]) == (5.0, 16, [4, 8])
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["test"]["n"] > 0
    assert json.loads((tmp_path / "run" / "versions.json").read_text())["git"] is None  # not this checkout
    assert {p.name for p in tmp_path.iterdir() if not p.name.startswith(".")} == {"my_conf", "faces", "run"}


def test_a_bundle_predicts_where_only_four_packages_are_installed(
    wheel: Path, bundle: Path, faces: Path, tmp_path: Path
) -> None:
    run("-m", "venv", "venv", cwd=tmp_path)
    python = str(tmp_path / "venv" / "bin" / "python")
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    packages = ["numpy", "opencv-python-headless", "onnxruntime", "pillow"]
    for what in (["--no-deps", str(wheel)], ["--constraint", str(ROOT / "constraints.txt"), *packages]):
        done = subprocess.run([*pip, *what], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [python, "-m", "agegender.predict", str(faces), "--model", str(bundle)]
    for output in ("p.csv", "p.jsonl"):
        done = subprocess.run([*command, "--output", output], cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert len((tmp_path / "p.jsonl").read_text().splitlines()) == len(list(faces.glob("*.jpg")))
    done = subprocess.run([*command, "--output", "p.parquet"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 2 and "pip install pyarrow" in done.stderr
    some = sorted(map(str, faces.glob("*.jpg")))[:5]
    done = subprocess.run(
        [python, str(ROOT / "scripts" / "predict_with_numpy.py"), str(bundle), *some],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    rows = {row["path"]: row for row in map(json.loads, (tmp_path / "p.jsonl").read_text().splitlines())}
    assert [one["path"] for one in found] == some
    for one in found:
        assert one["age"] == pytest.approx(rows[one["path"]]["age"], abs=2e-3)
        assert one["probability_female"] == pytest.approx(rows[one["path"]]["probability_female"], abs=1e-4)
    installed = subprocess.run([python, "-c", "import torch"], env=environment, capture_output=True, text=True)
    assert "ModuleNotFoundError" in installed.stderr


def test_help_lists_groups_and_commands_to_paste(installed: Path, tmp_path: Path) -> None:
    text = run("-m", "agegender.train", "--help", cwd=tmp_path, installed=installed)
    groups = {line.split(":")[0].strip(): line for line in text.splitlines() if ": " in line}
    for group in (path for path in (ROOT / "conf").iterdir() if path.is_dir()):
        for choice in group.glob("*.yaml"):
            assert choice.stem in groups[group.name], f"{group.name}={choice.stem}"
    commands = [line for line in text.splitlines() if line.strip().startswith("python -m agegender.train")]
    assert len(commands) >= 5
    assert list(tmp_path.iterdir()) == []
