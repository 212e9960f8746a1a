"""Measures the CPU time that the feature cache of a frozen backbone saves.

    python scripts/benchmark_frozen.py
    python scripts/benchmark_frozen.py --faces 2000 --epochs 10 --backbone efficientnet_b0 --image-size 224

Trains twice from the same cached images: once with the backbone running in every epoch, and once with its features
computed once. The time of the second run includes the computation of the features; neither run is tested. Both runs should
give the same heads; the largest difference of their weights is printed.
"""

import argparse
import logging
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import torch

from agegender.configuration.command import compose
from agegender.configuration.schema import validate
from agegender.data.assemble import assemble
from agegender.models.checkpoint import read_checkpoint
from agegender.runs.run_directory import RunDirectory
from agegender.train import train


def timed(config: dict[str, Any], folder: Path) -> tuple[float, RunDirectory]:
    """Returns the CPU time of a training run in seconds, and its directory."""
    validate(config)
    run = RunDirectory(folder)
    began = time.process_time()
    train(config, run)
    return time.process_time() - began, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
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
        slow, images = timed(compose([*base, "finetune.frozen.views=0"]), Path(folder) / "images")
        fast, features = timed(compose(base), Path(folder) / "features")
        logging.getLogger("agegender").handlers.clear()  # the log file is in the temporary folder
        one, two = (read_checkpoint(run.last)["state_dict"] for run in (images, features))
        heads = [name for name in one if name.startswith("network.heads")]
        difference = max(float((one[name] - two[name]).abs().max()) for name in heads)
        size = max(float(one[name].abs().max()) for name in heads)
    print(
        f"{arguments.backbone} at {arguments.image_size} px, {arguments.precision}, {arguments.faces} faces, "
        f"{arguments.epochs} epochs, {arguments.threads} thread(s)\n"
        f"  backbone in every epoch: {slow:8.1f} CPU s\n"
        f"  features computed once:  {fast:8.1f} CPU s\n"
        f"  {slow / fast:.1f} times faster; largest weight of the heads {size:.2f}, largest difference {difference:.1e}"
    )


if __name__ == "__main__":
    main()
