"""What training imports: a new process has none of the large packages that it does not use."""

import os
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[2]
UNUSED = ("wandb", "sklearn", "onnx", "onnxruntime", "gradio", "albumentations", "tensorboard", "optuna", "seaborn")


def test_training_imports_no_package_that_it_does_not_use(tmp_path: Path) -> None:
    """Packages of these names exist and can be imported, so the test does not depend on what is installed."""
    for name in UNUSED:
        (tmp_path / f"{name}.py").write_text("here = True\n")
    code = (
        "import sys\n"
        "import agegender.data.assemble, agegender.models.backbones, agegender.training.module, agegender.training.testing\n"
        "import agegender.training.trainer\n"
        f"print(sorted(set({UNUSED!r}) & set(sys.modules)))\n"
        "import wandb\n"
        "print(wandb.here)\n"
    )
    paths = os.pathsep.join([str(tmp_path), str(PROJECT)])
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["[]", "True"]
