"""``python -m agegender.compare RUN_OR_SWEEP_DIR...``: trained models in one table, and what of it is more than chance."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agegender.errors import AgeGenderError


def main(arguments: Sequence[str] | None = None) -> None:
    """Reads run directories, prints the comparison and writes it where asked."""
    options = _parser().parse_args(arguments)
    try:
        compare(options)
    except AgeGenderError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m agegender.compare",
        description="Compares trained models: one table for each set of test faces, differences tested against chance, "
        "papers' figures beside ours. Runs that differ only in their seed are one row.",
    )
    parser.add_argument("paths", nargs="+", metavar="RUN_OR_SWEEP_DIR", help="run directories, or folders that hold some")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write comparison.md, .html, .csv, differences.csv and curves")
    parser.add_argument(
        "--measure",
        action="store_true",
        help="load the models and time one image; count parameters and FLOPs of runs that recorded none",
    )
    parser.add_argument("--gradcam", type=int, default=0, metavar="N", help="Grad-CAM of all models on N of their faces")
    parser.add_argument("--task", choices=("age", "gender"), help="what Grad-CAM explains; default: age where models have it")
    parser.add_argument(
        "--classes", type=_years, metavar="0,26,51,76", help="first year of each age class; default: the heads'"
    )
    return parser


def _years(text: str) -> tuple[int, ...]:
    years = tuple(int(year) for year in text.split(","))
    if len(years) < 2 or list(years) != sorted(set(years)):
        raise argparse.ArgumentTypeError(f"{text}: expected two or more rising whole years, such as 0,26,51,76")
    return years


def compare(options: argparse.Namespace) -> None:
    """Carries out what the command line says.

    Raises:
        AgeGenderError: Nothing can be compared, or an option cannot be followed.
    """
    if options.gradcam < 0 or (options.gradcam and not options.out):
        raise AgeGenderError("--gradcam N: draws N faces into a folder, so it needs N of at least 1 and --out DIR")
    from agegender.evaluation.comparison import comparisons, record
    from agegender.evaluation.comparison_text import sections
    from agegender.evaluation.rows import rows_of
    from agegender.evaluation.runs import find, read
    from agegender.evaluation.tables import as_csv, as_html, as_markdown, as_text

    runs, left_out = [], []
    for path in find(options.paths):
        try:
            runs.append(read(path))
        except AgeGenderError as error:
            left_out.append(str(error))
    if not runs:
        raise AgeGenderError("\n".join(["nothing to compare:", *left_out]))
    rows, repeats = rows_of(runs)
    if options.measure:
        _measure(rows)
    found = comparisons(rows, options.classes)
    text = sections(found, [*left_out, *repeats])
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        for number, (comparison, section) in enumerate(zip(found, text, strict=False), 1):
            _draw(comparison, section, options, number)
    print(as_text(text))
    if options.out is None:
        return
    records = [{"table": n, **record(row, c.classes)} for n, c in enumerate(found, 1) for row in c.rows]
    pairs = [
        {"table": number, "measure": p.measure, "first": p.first, "second": p.second, **p.difference._asdict(),
         "p_holm": p.adjusted, "larger_than_chance": p.larger_than_chance,
         "seeds_first": p.seeds[0], "seeds_second": p.seeds[1]}
        for number, comparison in enumerate(found, 1) for p in comparison.pairs
    ]  # fmt: skip
    written = {
        "comparison.md": as_markdown(text),
        "comparison.csv": as_csv(records),
        "differences.csv": as_csv(pairs),
        "comparison.html": as_html(text, "agegender: comparison of models", options.out),
    }
    for name, content in written.items():
        (options.out / name).write_text(content, encoding="utf-8")
    print(f"\nwritten to {options.out}: {', '.join([*written, *(p for s in text for p in s.pictures)])}")


def _draw(comparison: Any, section: Any, options: argparse.Namespace, number: int) -> None:
    """Adds curves and Grad-CAM to a section; faces that are gone are said to be."""
    from agegender.evaluation.pictures import draw_curves, draw_maps
    from agegender.sources.images import ImageError

    curves, maps = f"curves-{number}.png", f"gradcam-{number}.png"
    if draw_curves(comparison.rows, options.out / curves):
        section.pictures.append(curves)
    if not options.gradcam:
        return
    try:
        draw_maps(*_maps(comparison, options.gradcam, options.task), options.out / maps)
        section.pictures.append(maps)
    except ImageError as error:
        section.content.append(f"No Grad-CAM: {error}")


def _network(run: Any) -> Any:
    """The tested network of a run, in evaluation mode."""
    from agegender.training.module import AgeGenderModule
    from agegender.training.run import RunDirectory

    return AgeGenderModule.load_from_checkpoint(RunDirectory(run.path).best).network


def _measure(rows: Sequence[Any]) -> None:
    """Fills in what runs did not record; latencies are of all models in turn, so that a busy machine is unfair to none."""
    from agegender.evaluation.cost import count, latencies_ms

    networks = [_network(row.runs[0]) for row in rows]
    for row, network, milliseconds in zip(rows, networks, latencies_ms(networks), strict=True):
        model = row.runs[0].model
        model |= {**count(network), "latency_ms": milliseconds, **model}


def _maps(comparison: Any, number: int, task: str | None) -> tuple[list[Any], list[str], list[str], list[Any]]:
    """Some test faces from the youngest to the oldest, their labels, and for each model its name and maps."""
    import numpy as np
    import torch

    from agegender.build import build
    from agegender.data.cache import DecodedImages
    from agegender.evaluation.explain import grad_cam

    run = comparison.sample
    faces = run.faces()
    if faces is None:
        raise AgeGenderError(f"{run.path}: kept no predictions, so its test faces are not known to --gradcam")
    order = faces.sort_values(["age_low", "dataset", "path"], ignore_index=True)
    chosen = order.iloc[np.unique(np.linspace(0, len(order) - 1, number).astype(int))]
    roots = {source.name: source.root for source in build(run.config["data"]["sources"], "data.sources").values()}
    files = [roots[dataset] / path for dataset, path in zip(chosen["dataset"], chosen["path"], strict=True)]
    names, maps = [], []
    for row in comparison.rows:
        network = _network(row.runs[0])
        explained = task or ("age" if "age" in network.heads else "gender")
        if explained not in network.heads:
            raise AgeGenderError(f"--task {explained}: {row.name} has no such task")
        images = DecodedImages(files, network.image_size)[np.arange(len(files))]
        names.append(f"{row.name}: {explained}")
        maps.append(grad_cam(network, torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))), explained).numpy())
    labels = [
        f"{low:g}" if low == high else f"{low:g}-{high:g}"
        for low, high in zip(chosen["age_low"], chosen["age_high"], strict=True)
    ]
    side = max(m.shape[-1] for m in maps)
    return list(DecodedImages(files, side)[np.arange(len(files))]), labels, names, maps


if __name__ == "__main__":
    main()
