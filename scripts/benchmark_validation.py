"""Measures what a face costs in validation, and ways to make it cheaper.

    python scripts/benchmark_validation.py --backbone mobilenetv2 --image-size 112
    python scripts/benchmark_validation.py --backbone custom_cnn --image-size 128 --batches 16 64 256

Compares validation as a training does it (evaluation mode, no gradients, images in channels_last, batches of the training size)
with inference mode, with bf16, with other batch sizes, and with a training step. The sides take turns on the same faces in
memory, in one process; times are CPU times, ratios medians over rounds. The last column is the largest difference of a
predicted age, in years, from validation as a training does it; the weights are random.
"""

import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import lightning as L
import torch
from measurements import Tables, alternated, command, ratio

from agegender.configuration.command import compose
from agegender.metrics.epoch import COLUMNS
from agegender.training.allocator import keep_freed_memory
from agegender.training.assemble import assemble_module
from agegender.training.module import AgeGenderModule
from agegender.training.task_losses import loss_sums, means_over_ranks

Faces = dict[str, torch.Tensor]
AS_TRAINING = "as a training validates"


def drawn(count: int, side: int) -> Faces:
    """Faces of random pixels, as a loader gives them."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (count, side, side, 3), dtype=torch.uint8, generator=generator).permute(0, 3, 1, 2)
    ages = torch.randint(1, 90, (count,), generator=generator).float()
    return {"image": pixels, "age_low": ages, "age_high": ages, "gender": (ages % 2).long(), "index": torch.arange(count)}


def batches(faces: Faces, size: int) -> list[Faces]:
    return [dict(zip(faces, parts, strict=True)) for parts in zip(*(one.split(size) for one in faces.values()), strict=True)]


def ages(module: AgeGenderModule) -> torch.Tensor:
    """The predicted ages of the faces that were validated last."""
    return torch.cat([rows.reshape(-1, COLUMNS)[:, 0] for rows in module.metrics["held_out"].faces])


def validation(
    module: AgeGenderModule, faces: Faces, size: int, context: Callable[[], AbstractContextManager[Any]]
) -> tuple[float, torch.Tensor]:
    """The CPU seconds of an epoch of validation, and the predicted ages."""
    module.eval()
    module.on_validation_epoch_start()
    parts = batches(faces, size)
    began = time.process_time()
    with torch.no_grad(), context():
        for number, batch in enumerate(parts):
            module.validation_step(batch, number)
    return time.process_time() - began, ages(module)


def training(module: AgeGenderModule, optimizer: torch.optim.Optimizer, faces: Faces, size: int) -> float:
    """The CPU seconds of training steps on the same faces."""
    module.train()
    parts = batches(faces, size)
    began = time.process_time()
    for batch in parts:
        loss = module.balance(*means_over_ranks(*loss_sums(module.network.heads, module.network(batch["image"]), batch)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return time.process_time() - began


def main() -> None:
    parser = command(__doc__)
    parser.add_argument("--backbone", default="mobilenetv2")
    parser.add_argument("--image-size", type=int, default=112)
    parser.add_argument("--faces", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=32, help="of training and of validation as a training does it")
    parser.add_argument("--batches", type=int, nargs="*", default=[64, 128], metavar="SIZE", help="other sizes for validation")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    keep_freed_memory()
    L.seed_everything(0, verbose=False)
    config = compose([
        f"backbone={arguments.backbone}", f"image_size={arguments.image_size}",
        *([] if arguments.backbone.startswith(("custom", "separable")) else ["backbone.pretrained=false"]),
    ])  # fmt: skip
    module = assemble_module(config, {}, {})
    optimizer, faces, size = module.optimizer.build(module), drawn(arguments.faces, arguments.image_size), arguments.batch_size
    validated = {
        AS_TRAINING: partial(validation, module, faces, size, nullcontext),
        "inference mode": partial(validation, module, faces, size, torch.inference_mode),
        "bf16": partial(validation, module, faces, size, partial(torch.autocast, "cpu", torch.bfloat16)),
        **{f"batches of {other}": partial(validation, module, faces, other, nullcontext) for other in arguments.batches},
    }
    found = {name: measure()[1] for name, measure in validated.items()}  # the first round also warms up
    ways: dict[str, Callable[[], float]] = {name: lambda one=one: one()[0] for name, one in validated.items()}
    ways["training steps"] = partial(training, module, optimizer, faces, size)
    seconds = alternated(ways, arguments.rounds)
    tables = Tables()
    tables.add(
        "validation", f"{arguments.backbone} at {arguments.image_size} px, batches of {size}, {arguments.faces} faces, "
        f"{arguments.threads} thread(s)",
        [{"side": side, "CPU ms a face": 1000 * statistics.median(values) / arguments.faces,
          "speed": ratio(seconds[AS_TRAINING], values),
          "years": float((found[side] - found[AS_TRAINING]).abs().max()) if side in found else None}
         for side, values in seconds.items()],
    )  # fmt: skip
    tables.write(arguments.json)


if __name__ == "__main__":
    main()
