"""Measures the CPU time that the feature cache of a frozen backbone saves.

    python scripts/benchmark_frozen.py
    python scripts/benchmark_frozen.py --faces 2000 --epochs 10 --backbone efficientnet_b0 --image-size 224

Trains twice from the same cached images: once with the backbone running in every epoch, and once with its features
computed once. The first table has the CPU time of the epochs, with the computation of the features, and that of the whole run,
which ends with a report on the validation split; there, both runs compute the features once more, in full precision. Both runs
have the same faces and must give the same heads: if their weights differ by more than a hundredth of the largest, the script
ends with an error.
"""

import hashlib
import logging
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from measurements import Tables, command, require_same_work

from agegender.configuration.command import compose
from agegender.configuration.schema import validate
from agegender.data.assemble import assemble
from agegender.models.checkpoint import read_checkpoint
from agegender.runs.run_directory import RunDirectory
from agegender.train import train
from agegender.training import testing


def timed(config: dict[str, Any], folder: Path) -> tuple[float, float, RunDirectory]:
    """Returns the CPU seconds of a run until its last epoch ends, those of the whole run, and its directory."""
    validate(config)
    run, trained, measure_best = RunDirectory(folder), [], testing.measure_best

    def after_the_epochs(*arguments: Any) -> None:
        trained.append(time.process_time() - began)
        measure_best(*arguments)

    began = time.process_time()
    with mock.patch.object(testing, "measure_best", after_the_epochs):
        train(config, run)
    return trained[0], time.process_time() - began, run


def main() -> None:
    parser = command(__doc__)
    parser.add_argument("--faces", type=int, default=2000, help="number of generated toy faces; a tenth is the val split")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--backbone", default="efficientnet_b0")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--precision", default="32-true")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    warnings.filterwarnings("ignore")

    with tempfile.TemporaryDirectory() as folder:
        base = [
            f"data.root={folder}/faces", f"data.sources.toyfaces.n={arguments.faces}", f"loader.cache_dir={folder}/cache",
            f"backbone={arguments.backbone}", f"image_size={arguments.image_size}", "augment=none", "finetune=frozen",
            f"loader.batch_size={arguments.batch_size}", f"trainer.max_epochs={arguments.epochs}", "test=false",
            f"trainer.precision={arguments.precision}", "callbacks.early_stopping.patience=1000", "logger=none",
            *(["backbone.pretrained=false"] if arguments.backbone != "custom_cnn" else []),
        ]  # fmt: skip
        assemble(compose(base)).prepare_data()
        slow, slow_run, images = timed(compose([*base, "finetune.frozen.views=0"]), Path(folder) / "images")
        fast, fast_run, features = timed(compose(base), Path(folder) / "features")
        logging.getLogger("agegender").handlers.clear()  # the log file is in the temporary folder
        sides = {"backbone in every epoch": images, "features computed once": features}
        works = [
            {"side": side, "faces": arguments.faces, "split": hashlib.sha256(run.split.read_bytes()).hexdigest()[:12],
             "epochs": len(run.history.read_text().splitlines()) - 1}
            for side, run in sides.items()
        ]  # fmt: skip
        one, two = (read_checkpoint(run.last)["state_dict"] for run in sides.values())
    heads = [name for name in one if name.startswith("network.heads")]
    difference = max(float((one[name] - two[name]).abs().max()) for name in heads)
    largest = max(float(one[name].abs().max()) for name in heads)
    tables = Tables()
    tables.add(
        "frozen", f"{arguments.backbone} at {arguments.image_size} px, {arguments.precision}, {arguments.faces} faces, "
        f"{arguments.epochs} epochs, {arguments.threads} thread(s)",
        [{"side": side, "CPU s": epochs, "times faster": slow / epochs, "CPU s of the run": run,
          "times faster, run": slow_run / run}
         for side, epochs, run in zip(sides, (slow, fast), (slow_run, fast_run), strict=True)],
    )  # fmt: skip
    tables.add("heads", "weights of the heads", [{"largest": largest, "largest difference": difference}])
    tables.add("work", "work of both sides", works)
    require_same_work(works)
    if difference > 0.01 * largest:
        raise SystemExit("the sides trained different heads")
    tables.write(arguments.json)


if __name__ == "__main__":
    main()
