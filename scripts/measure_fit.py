"""Measures what ``data.fit``, ``data.crop_scale`` and ``data.outside`` do to a trained model on images that are not square.

    python scripts/measure_fit.py RUN_DIR
    python scripts/measure_fit.py RUN_DIR data=fairface data.root=PATH data.missing=skip

Without overrides, the faces are those of the test split of the run. Other faces are the test split that their dataset
predefines, else all; they must be faces that the model was not trained on. The images of the faces should be square. Each
shape makes them into images that are not:

    whole        the image itself
    narrow 1.28  the central columns, so that height / width is 1.28
    margin 1.28  the image in the middle of a larger one, as many releases of aligned faces have it: 1.25 times as wide, and
                 1.28 times as high as wide. The surroundings are mirrored pixels of the image.

Each image is then fitted in each way, and the model estimates age and gender. The age error is the distance of the estimate
from the labelled range, which equals the absolute error for exact ages. docs/fitting.md has results.
"""

import argparse
import csv
import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import torch

from agegender.configuration.build import build
from agegender.configuration.command import compose
from agegender.evaluation.results import predictions_of
from agegender.metrics.measure import measure
from agegender.models.checkpoint import TrainedNetwork, load_network
from agegender.runs.run_directory import RunDirectory
from agegender.sources.crop import Crop
from agegender.sources.faces import concat
from agegender.sources.images import read

MARGIN = 1.25


def test_faces(run: RunDirectory, overrides: list[str], number: int | None) -> tuple[pd.DataFrame, list[Path]]:
    """The labels and files of the faces, at most a number of them, drawn with seed 0."""
    config: dict[str, Any] = run.read_config()
    if overrides:
        config = compose([f"checkpoint={run.path}", *overrides], "evaluate")
    table = concat([source.read() for source in build(config["data"]["sources"], "data.sources").values()])
    predefined = table.frame["split"].eq("test").fillna(False).to_numpy(dtype=bool)
    if overrides:
        table = table.where(predefined if predefined.any() else ~predefined)
    else:
        rows = csv.DictReader(io.StringIO(run.read_split(), newline=""))
        tested = {f"{row['dataset']}/{row['path']}" for row in rows if row["split"] == "test"}
        table = table.where([name in tested for name in table.names()])
    if number is not None and number < len(table):
        table = table.where(np.isin(np.arange(len(table)), np.random.default_rng(0).choice(len(table), number, replace=False)))
    return table.frame, table.files()


def narrow(image: np.ndarray, ratio: float) -> np.ndarray:
    width = image.shape[1]
    keep = round(width / ratio)
    return image[:, (width - keep) // 2 :][:, :keep]


def margin(image: np.ndarray, ratio: float) -> np.ndarray:
    height, width = image.shape[:2]
    x = round(width * (MARGIN - 1) / 2)
    y = round((ratio * (width + 2 * x) - height) / 2)
    return cv2.copyMakeBorder(image, y, y, x, x, cv2.BORDER_REFLECT)


def estimates(trained: TrainedNetwork, images: list[np.ndarray], crop: Crop) -> dict[str, np.ndarray]:
    found = []
    for start in range(0, len(images), 100):
        batch = np.stack([crop(image, trained.image_size) for image in images[start : start + 100]])
        with torch.no_grad():
            outputs = trained.network(torch.from_numpy(batch).permute(0, 3, 1, 2))
        found.append(trained.network.estimate(outputs, distribution=False))
    return {name: torch.cat([one[name] for one in found]).numpy() for name in found[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("overrides", nargs="*", help="data=... and its settings, for other faces than the run's own")
    parser.add_argument("--faces", type=int, help="number of faces, drawn at random; by default all")
    parser.add_argument("--shapes", nargs="+", default=["whole", "narrow", "margin"], choices=("whole", "narrow", "margin"))
    parser.add_argument("--ratios", type=float, nargs="+", default=[396 / 309], help="height / width of narrow and margin")
    parser.add_argument("--fits", nargs="+", default=["stretch", "crop", "pad"])
    parser.add_argument("--scales", type=float, nargs="+", default=[1.0, 0.9, 0.8, 0.7])
    parser.add_argument("--outside", nargs="+", default=["reflect"])
    arguments = parser.parse_args()

    run = RunDirectory(arguments.run)
    trained = load_network(run.best)
    faces, files = test_faces(run, arguments.overrides, arguments.faces)
    images = [read(file) for file in files]
    print(f"{run.path}: {trained.image_size} px; {len(faces)} faces of {', '.join(faces['dataset'].unique())}")
    print("shape          fit      scale  outside    age error  gender accuracy")
    for shape in arguments.shapes:
        for ratio in [1.0] if shape == "whole" else arguments.ratios:
            shaped = [{"narrow": narrow, "margin": margin}[shape](one, ratio) if shape != "whole" else one for one in images]
            for fit in arguments.fits:
                for scale in arguments.scales:
                    beyond = fit == "pad" or scale > 1
                    for outside in arguments.outside if beyond else ["black"]:
                        columns = estimates(trained, shaped, Crop(fit, scale, outside))
                        columns = {"age_pred" if name == "age" else name: value for name, value in columns.items()}
                        values = measure(predictions_of(faces.assign(**columns), trained.network.age_classes))
                        print(
                            f"{shape + ('' if shape == 'whole' else f' {ratio:.2f}'):14} {fit:8} {scale:5.2f}  "
                            f"{outside if beyond else '':9} {values.get('age_distance', float('nan')):10.2f}  "
                            f"{values.get('gender_accuracy', float('nan')):.3f}",
                            flush=True,
                        )


if __name__ == "__main__":
    main()
