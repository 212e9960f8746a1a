"""Small trees of generated faces, and the real configuration composed for them."""

import csv
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests start processes, whose threads would spin against each other

# A network of a few thousand weights on images of 16 px: whole runs take a second.
TINY = ["image_size=16", "backbone.widths=[4,8]", "loader.batch_size=8", "trainer.max_epochs=2"]


@pytest.fixture(scope="session", autouse=True)
def private_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test reads or writes the caches of the person who runs it."""
    os.environ["AGEGENDER_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True)
def first_rank() -> Iterator[None]:
    """A Trainer that a test builds as another rank does not silence the loggers of later tests."""
    yield
    if (lightning := sys.modules.get("lightning_utilities.core.rank_zero")) is not None:
        lightning.rank_zero_only.rank = 0


def write_utkface(root: Path, n: int, seed: int = 0) -> Path:
    """Writes n UTKFace-named JPEGs whose brightness grows with age and whose colour tells gender, all different."""
    root.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for i in range(n):
        age, gender = int(rng.integers(1, 90)), int(i % 2)
        image = rng.integers(0, 60, (24, 24, 3)).astype(np.uint8) + np.uint8(age)
        image[..., 0 if gender else 2] += 90
        cv2.imwrite(str(root / f"{age}_{gender}_{i % 5}_{20170101000000000 + i}.jpg.chip.jpg"), image)
    return root


@pytest.fixture(scope="session")
def make_utkface() -> Callable[..., Path]:
    """Writes a folder of generated faces: ``make_utkface(root, n)``."""
    return write_utkface


@pytest.fixture(scope="session")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty generated faces; read only."""
    return write_utkface(tmp_path_factory.mktemp("faces"), 60)


def write_fairface(root: Path, train: int, val: int) -> Path:
    """Writes a small FairFace: brightness grows with age, colour shows gender; ``val/1.jpg`` is a copy of ``train/1.jpg``."""
    from agegender.sources.fairface import AGES, RACES

    rng = np.random.default_rng(7)
    for part, number in (("train", train), ("val", val)):
        (root / part).mkdir(parents=True)
        rows = []
        for i in range(number):
            age, gender = list(AGES)[i % 9], ("Male", "Female")[i % 2]
            image = rng.integers(0, 60, (24, 24, 3)).astype(np.uint8) + np.uint8(AGES[age][0])
            image[..., 0 if i % 2 else 2] += 90
            cv2.imwrite(str(root / f"{part}/{i}.jpg"), image)
            rows.append((f"{part}/{i}.jpg", age.replace("3-9", "9-Mar"), gender, RACES[i % 7], "True"))
        with (root / f"fairface_label_{part}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("file", "age", "gender", "race", "service_test"), *rows])
    (root / "val/1.jpg").write_bytes((root / "train/1.jpg").read_bytes())
    return root


@pytest.fixture(scope="session")
def fairface(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 117 generated faces and label files as FairFace has them; read only."""
    return write_fairface(tmp_path_factory.mktemp("fairface"), 90, 27)


@pytest.fixture(scope="session")
def facebase(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generated pictures, two databases of them and their benchmark, as those of Paplham and Franc; read only.

    ``UTKFace_aligned.json`` has 60 faces, ``FG-Net_aligned.json`` 20 others of 10 persons in folders 1 to 10, and
    ``UTKFace.yaml`` names a third database that is not there.
    """
    root = tmp_path_factory.mktemp("facebase")
    for name, number, seed in (("UTKFace", 60, 1), ("FG-Net", 20, 2)):
        rows = []
        for i, file in enumerate(sorted(write_utkface(root / name, number, seed).iterdir())):
            age, gender, *_ = file.name.split("_")
            own = {"folder": i % 10} if name == "UTKFace" else {"folder": i // 2 + 1, "id_num": i // 2 + 1}
            rows.append({"img_path": f"{name}/{file.name}", "age": int(age), "gender": "MF"[int(gender)], "database": name,
                         "aligned_bbox": [2, 1, 22, 2, 21, 22, 1, 21], "alignment_source": "in the wild", **own})  # fmt: skip
        (root / f"{name}_aligned.json").write_text(json.dumps(rows, indent=4))
    splits = [{"trn": [(start + i) % 10 for i in range(6)], "val": [(start + 6) % 10, (start + 7) % 10],
               "tst": [(start + 8) % 10, (start + 9) % 10]} for start in (0, 2, 4, 5, 6)]  # fmt: skip
    others = {"MORPH": list(range(10)), "FG-Net": list(range(1, 83))}
    entries = [{"database": "UTKFace_aligned.json", "split": splits}]
    entries += [{"database": f"{name}_aligned.json", "split": [{"trn": [], "val": [], "tst": folders}] * 5}
                for name, folders in others.items()]  # fmt: skip
    (root / "UTKFace.yaml").write_text(json.dumps(entries))
    return root


@pytest.fixture(scope="session")
def trained_run(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run directory of a tiny network with a distribution head, trained on the generated faces."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    from agegender.configuration.command import compose
    from agegender.runs.run_directory import RunDirectory
    from agegender.train import train

    settings = ["image_size=32", "backbone.widths=[4,8]", "loader.batch_size=8", "trainer.max_epochs=2", "logger=none"]
    train(compose(["data=utkface", f"data.root={faces}", "head=dldl", *settings]), RunDirectory(folder))
    return folder


@pytest.fixture(scope="session")
def bundle(trained_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trained run as a bundle; read only."""
    from agegender.export import main as export

    folder = tmp_path_factory.mktemp("exported") / "bundle"
    export([str(trained_run), str(folder)])
    return folder


@pytest.fixture
def configure(faces: Path) -> Callable[..., dict[str, Any]]:
    """Composes the real training configuration, small and on the generated faces, with overrides on top."""
    from agegender.configuration.command import compose

    def configure(*overrides: str, tiny: bool = True) -> dict[str, Any]:
        own = any(one.startswith("data=") for one in overrides)
        base = [] if own else ["data=utkface", f"data.root={faces}"]
        base += [] if tiny else ["backbone.pretrained=false"]
        return compose([*base, *(TINY if tiny else []), *overrides])

    return configure


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of real faces and weights; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("AGEGENDER_SHARED", Path(__file__).resolve().parents[1].parent / "shared"))
    if not folder.is_dir():
        pytest.skip("real faces and weights are not here (set AGEGENDER_SHARED to their folder)")
    return folder
