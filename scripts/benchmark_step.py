"""Measures what each setting of a CPU gives a training step: forward, loss, backward and optimizer, on images in memory.

    python scripts/benchmark_step.py --backbone mobilenetv2 --image-size 224
    python scripts/benchmark_step.py --backbone custom_cnn --image-size 128 --ways plain default bf16 compile

The ways from ``plain`` to ``default`` each add one setting to the way before; ``default`` is what agegender.train does. The
others change ``default`` in one setting. Each way has a process of its own, because the allocator is a setting of the process.
Each is compared with the first way: these two processes take turns. Ratios are medians over rounds, of the CPU time of all
threads. All ways see the same images and start from the same weights; the loss after the last step shows whether they compute
the same. Two networks and their activations are in memory at a time: a smaller ``--batch-size`` needs less.
"""

import multiprocessing
import resource
import statistics
import time
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import Any, Literal

import lightning as L
import torch
from measurements import Row, Tables, alternated, command, ratio

from agegender.configuration.command import compose
from agegender.training.allocator import keep_freed_memory
from agegender.training.assemble import assemble_module
from agegender.training.task_losses import loss_sums, means_over_ranks


@dataclass(frozen=True)
class Way:
    """Settings of a training step."""

    memory_kept: bool = False
    images: torch.memory_format = torch.contiguous_format
    weights: torch.memory_format = torch.contiguous_format
    optimizer: Literal["loop", "foreach", "fused"] = "loop"
    bf16: bool = False
    conv_bf16: bool = False
    compiled: bool = False


PLAIN = Way()
KEPT = replace(PLAIN, memory_kept=True)
NHWC = replace(KEPT, images=torch.channels_last)
DEFAULT = replace(NHWC, optimizer="fused")
WAYS = {
    "plain": PLAIN,
    "freed memory kept": KEPT,
    "channels_last images": NHWC,
    "default": DEFAULT,  # with the fused optimizer
    "foreach": replace(DEFAULT, optimizer="foreach"),
    "channels_last weights": replace(DEFAULT, weights=torch.channels_last),
    "memory not kept": replace(DEFAULT, memory_kept=False),
    "bf16": replace(DEFAULT, bf16=True),
    "bf16 convolutions": replace(DEFAULT, conv_bf16=True),
    "compile": replace(DEFAULT, compiled=True),
}


def work(way: Way, config: dict[str, Any], threads: int, pipe: Connection) -> None:
    """Trains as many steps as the pipe asks for; answers with their seconds and what they did."""
    torch.set_num_threads(threads)
    if way.memory_kept:
        keep_freed_memory()
    if way.conv_bf16:
        torch.backends.mkldnn.conv.fp32_precision = "bf16"  # type: ignore[attr-defined]
    L.seed_everything(0, verbose=False)
    module = assemble_module(config, {}, {}).train()
    module.network.to(memory_format=way.weights)
    optimizer = module.optimizer.build(module)
    for group in optimizer.param_groups:
        group.update(fused=way.optimizer == "fused", foreach=way.optimizer == "foreach")
    if way.compiled:
        module.network.compile()
    generator, batch, side = torch.Generator().manual_seed(0), config["loader"]["batch_size"], config["image_size"]
    pixels = torch.randint(0, 256, (batch, 3, side, side), dtype=torch.uint8, generator=generator)
    ages = torch.randint(1, 90, (batch,), generator=generator).float()
    faces = {"image": pixels.to(memory_format=way.images), "age_low": ages, "age_high": ages, "gender": (ages % 2).long()}
    while steps := pipe.recv():
        began, cpu, faults = time.perf_counter(), time.process_time(), usage().ru_minflt
        for _ in range(steps):
            with torch.autocast("cpu", torch.bfloat16, enabled=way.bf16):
                outputs = module.network(faces["image"])
                loss = module.balance(*means_over_ranks(*loss_sums(module.network.heads, outputs, faces)))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        pipe.send({
            "cpu": time.process_time() - cpu, "wall": time.perf_counter() - began, "faults": usage().ru_minflt - faults,
            "memory": usage().ru_maxrss / 1e6, "loss": float(loss.detach()),
        })  # fmt: skip


def usage() -> resource.struct_rusage:
    return resource.getrusage(resource.RUSAGE_SELF)


def compared(
    config: dict[str, Any], names: list[str], threads: int, steps: int, rounds: int
) -> dict[str, list[dict[str, float]]]:
    """Trains in several ways by turns, and returns the answers of each."""
    start = multiprocessing.get_context("spawn")
    pipes, processes = {}, []
    for name in names:
        pipes[name], other = start.Pipe()
        processes.append(start.Process(target=work, args=(WAYS[name], config, threads, other), daemon=True))
        processes[-1].start()

    def answer(pipe: Connection) -> dict[str, float]:
        pipe.send(steps)
        return pipe.recv()

    answers = alternated({name: lambda pipe=pipe: answer(pipe) for name, pipe in pipes.items()}, rounds)
    for pipe, process in zip(pipes.values(), processes, strict=True):
        pipe.send(0)
        process.join()
    return answers


def main() -> None:
    parser = command(__doc__)
    parser.add_argument("--backbone", default="custom_cnn")
    parser.add_argument("--image-size", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=2, help="in each round")
    parser.add_argument(
        "--ways", nargs="+", choices=list(WAYS), default=[way for way in WAYS if way != "compile"], metavar="WAY"
    )
    parser.add_argument("--overrides", nargs="*", default=[], help="more settings, as for agegender.train")
    arguments = parser.parse_args()
    config = compose([
        f"backbone={arguments.backbone}", f"image_size={arguments.image_size}", f"loader.batch_size={arguments.batch_size}",
        *([] if arguments.backbone.startswith(("custom", "separable")) else ["backbone.pretrained=false"]),
        *arguments.overrides,
    ])  # fmt: skip
    first, *others = arguments.ways
    rows: list[Row] = []
    for other in others:
        pair = compared(config, [first, other], arguments.threads, arguments.steps, 1 + arguments.rounds)
        for name in [first, other][bool(rows) :]:
            column = {key: [answer[key] for answer in pair[name][1:]] for key in pair[name][0]}  # without the warm-up
            rate = statistics.median(arguments.batch_size * arguments.steps / seconds for seconds in column["cpu"])
            speed = ratio([answer["cpu"] for answer in pair[first][1:]], column["cpu"])
            faults = round(statistics.median(column["faults"]) / arguments.steps)
            rows.append({"way": name, "images/CPU s": rate, f"speed by {first}": speed, "page faults a step": faults,
                         "peak GB": column["memory"][-1], "loss": column["loss"][-1]})  # fmt: skip
    tables, threads = Tables(), f"{arguments.threads} thread{'s' * (arguments.threads > 1)}"
    title = f"{arguments.backbone} at {arguments.image_size} px, batches of {arguments.batch_size}, {threads}"
    tables.add("step", title, rows)
    tables.write(arguments.json)


if __name__ == "__main__":
    main()
