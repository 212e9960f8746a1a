"""Age and gender in plain PyTorch: what a careful person writes without this project, to compare its speed with.

    python scripts/baseline_plain.py --split RUN_DIR/split.csv --root FOLDER_OF_FACES --out FOLDER --weights FILE.safetensors

Trains MobileNetV1 on the training faces of the split of a run, validates on its validation faces after each epoch, and writes
``history.csv``. Two workers decode the files in every epoch, with torchvision's transforms; AdamW, a cosine schedule, float32,
the standard allocator. Nothing of this project is imported. Gender labels are binary and describe appearance.
"""

import argparse
import csv
import math
import time
from pathlib import Path

import timm
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

MEAN_AGE, STD_AGE = 33.0, 20.0  # years; the network predicts standardised ages


class Faces(Dataset[tuple[Tensor, float, int]]):
    """The faces of one split."""

    def __init__(self, split: Path, root: Path, part: str, transform: transforms.Compose) -> None:
        with split.open(newline="") as file:
            self.rows = [row for row in csv.DictReader(file) if row["split"] == part]
        self.root, self.transform = root, transform

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, number: int) -> tuple[Tensor, float, int]:
        row = self.rows[number]
        with Image.open(self.root / row["path"]) as image:
            pixels = self.transform(image.convert("RGB"))
        return pixels, float(row["age_low"]), int(row["gender"])


def build(weights: Path | None) -> nn.Module:
    model = timm.create_model("mobilenetv1_100", num_classes=2, pad_type="same", drop_rate=0.2)
    if weights is not None:
        given, own = load_file(weights), model.state_dict()
        model.load_state_dict({name: value for name, value in given.items() if own[name].shape == value.shape}, strict=False)
    return model


@torch.inference_mode()
def validate(model: nn.Module, loader: DataLoader[tuple[Tensor, Tensor, Tensor]]) -> tuple[float, float]:
    """Mean absolute error in years, and accuracy of gender."""
    model.eval()
    errors, right = [], []
    for images, age, gender in loader:
        years, female = model(images).unbind(1)
        errors.append((years * STD_AGE + MEAN_AGE - age).abs())
        right.append((female > 0) == (gender == 1))
    return float(torch.cat(errors).mean()), float(torch.cat(right).float().mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--split", type=Path, required=True, help="split.csv of a run of agegender.train")
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--weights", type=Path, help="of the backbone; random without it")
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    torch.manual_seed(0)

    model = build(arguments.weights)
    config = timm.data.resolve_model_data_config(model)
    size, tensor = arguments.size, [transforms.ToTensor(), transforms.Normalize(config["mean"], config["std"])]
    augmented = transforms.Compose([
        transforms.Resize((size, size)), transforms.RandomHorizontalFlip(), transforms.ColorJitter(0.3, 0.3), *tensor,
    ])  # fmt: skip
    plain = transforms.Compose([transforms.Resize((size, size)), *tensor])
    faces = {"train": Faces(arguments.split, arguments.root, "train", augmented),
             "val": Faces(arguments.split, arguments.root, "val", plain)}  # fmt: skip
    loaders = {
        part: DataLoader(data, arguments.batch_size, shuffle=part == "train", drop_last=part == "train",
                         num_workers=arguments.workers, persistent_workers=arguments.workers > 0)
        for part, data in faces.items()
    }  # fmt: skip
    optimizer = torch.optim.AdamW(model.parameters(), lr=arguments.lr, weight_decay=0.05)
    steps = arguments.epochs * len(loaders["train"])
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5 + 0.5 * math.cos(math.pi * step / steps))
    arguments.out.mkdir(parents=True, exist_ok=True)
    with (arguments.out / "history.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["epoch", "seconds", "train_faces", "val_faces", "val/age_mae", "val/gender_accuracy"])
        for epoch in range(arguments.epochs):
            began = time.perf_counter()
            model.train()
            for images, age, gender in loaders["train"]:
                years, female = model(images).unbind(1)
                loss = F.smooth_l1_loss(years, (age.float() - MEAN_AGE) / STD_AGE)
                loss = loss + F.binary_cross_entropy_with_logits(female, gender.float())
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
            mae, accuracy = validate(model, loaders["val"])
            seconds = time.perf_counter() - began
            table.writerow([epoch, seconds, len(faces["train"]), len(faces["val"]), mae, accuracy])
            file.flush()
            print(f"epoch {epoch + 1}/{arguments.epochs}  {seconds:.0f} s  MAE {mae:.3f}  gender {accuracy:.3f}", flush=True)


if __name__ == "__main__":
    main()
