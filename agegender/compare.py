"""``python -m agegender.compare RUN_OR_SWEEP_DIR...``: trained models in one table, with tests of their differences."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agegender import whole_package  # noqa: F401
from agegender.errors import AgeGenderError
from agegender.escaping import one_line
from agegender.one_line_errors import one_line_errors
from agegender.whole_files import whole


def main(arguments: Sequence[str] | None = None) -> None:
    """Reads run directories, prints the comparison and, with ``--out``, writes it."""
    options = _parser().parse_args(arguments)
    with one_line_errors():
        compare(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m agegender.compare",
        description="Compares trained models: one table for each set of test faces, differences tested against chance, "
        "published metrics beside ours. Runs that differ only in their seed are one row. A sweep directory is ranked on its "
        "validation faces, and the command that tests the winner is printed.",
    )
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="RUN_OR_SWEEP_DIR",
        help="run directories, folders that contain some, RUN/evaluation/NAME",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="write comparison.md, .html, .csv, differences.csv and curves")
    parser.add_argument(
        "--measure",
        action="store_true",
        help="load the models and time one image; count parameters and FLOPs of runs that recorded none",
    )
    parser.add_argument("--gradcam", type=int, default=0, metavar="N", help="Grad-CAM of all models on N of their faces")
    parser.add_argument("--task", choices=("age", "gender"), help="what Grad-CAM explains; default: age if a model has it")
    parser.add_argument(
        "--classes",
        type=_years,
        metavar="0,26,51,76",
        help="first year of each age class; default: the classes of the heads",
    )
    return parser


def _years(text: str) -> tuple[int, ...]:
    years = tuple(int(year) for year in text.split(","))
    if len(years) < 2 or list(years) != sorted(set(years)):
        raise argparse.ArgumentTypeError(f"{text}: expected two or more increasing integers, such as 0,26,51,76")
    return years


def compare(options: argparse.Namespace) -> None:
    """Compares the runs that the command line names.

    Raises:
        AgeGenderError: Nothing can be compared, or an option cannot be followed.
    """
    if options.gradcam < 0 or (options.gradcam and not options.out):
        raise AgeGenderError("--gradcam N: N must be at least 1, and --out DIR must be given")
    if options.out is not None:
        try:
            options.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise AgeGenderError(f"--out {options.out}: not a folder that can be written to: {error}") from error
    from agegender.comparison.comparison import comparisons
    from agegender.comparison.discovery import find, read
    from agegender.comparison.rows import rows_of
    from agegender.comparison.selection import selections
    from agegender.comparison.tables import as_text
    from agegender.comparison.text import sections

    folders, left_out = find(options.paths)
    runs = []
    for path in folders:
        try:
            runs.append(read(path))
        except AgeGenderError as error:
            left_out += error.lines
    if not runs:
        raise AgeGenderError("nothing to compare:", *left_out)
    selected, runs = selections(options.paths, runs)
    rows, repeats = rows_of(runs)
    if options.measure:
        from agegender.comparison.cost import measure

        left_out += measure([row.runs[0] for row in rows], _as_trained)
    found = comparisons(rows, options.classes)
    text = sections(found, [*left_out, *repeats])
    if options.out is not None:
        _write(found, [*selected, *text], options.out)  # before the plots, which take long and may fail
    print(_printable(as_text([*selected, *text])), flush=True)
    if options.out is None:
        return
    for number, (comparison, section) in enumerate(zip(found, text, strict=False), 1):
        _draw(comparison, section, options, number)
    written = _write(found, [*selected, *text], options.out)
    pictures = [name for section in text for name in section.pictures]
    print(f"\nwritten to {_printable(one_line(options.out))}: {', '.join([*written, *pictures])}")


def _printable(text: str) -> str:
    """The text in the encoding of the terminal: without Unicode, marks are spelled out and other letters escaped."""
    encoding = sys.stdout.encoding or "ascii"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.replace("≠", "!=").replace("±", "+-").encode(encoding, "backslashreplace").decode(encoding)
    return text


def _write(found: Sequence[Any], text: Sequence[Any], folder: Path) -> list[str]:
    """Writes every form of the comparison and returns the names of the files."""
    from agegender.comparison.comparison import record
    from agegender.comparison.tables import as_csv, as_html, as_markdown
    from agegender.comparison.text import csv_pairs

    files = {
        "comparison.md": as_markdown(text),
        "comparison.csv": as_csv([{"table": n, **record(row, c.classes)} for n, c in enumerate(found, 1) for row in c.rows]),
        "differences.csv": as_csv(csv_pairs(found)),
        "comparison.html": as_html(text, "agegender: comparison of models", folder),
    }
    for name, content in files.items():
        with whole(folder / name) as file:
            file.write_text(content, encoding="utf-8")
    return list(files)


def _draw(comparison: Any, section: Any, options: argparse.Namespace, number: int) -> None:
    """Adds curves and Grad-CAM to a section; the section and the terminal name the models that cannot be drawn."""
    from agegender.comparison.plots import overlay_curves

    curves, maps = f"curves-{number}.png", f"gradcam-{number}.png"
    if overlay_curves(comparison.rows, options.out / curves):
        section.pictures.append(curves)
    if not options.gradcam:
        return
    from agegender.comparison.maps import draw

    (options.out / maps).unlink(missing_ok=True)  # of an earlier comparison
    lines = draw(comparison, options.gradcam, options.task, _network, options.out / maps)
    section.pictures += [maps] if (options.out / maps).exists() else []
    section.content += lines
    print("".join(f"\n{_printable(one_line(line))}" for line in lines), end="", flush=True)


def _network(run: Any) -> Any:
    """The tested network of a run."""
    from agegender.models.checkpoint import load_network
    from agegender.runs.run_directory import RunDirectory

    return load_network(RunDirectory(run.origin.path).best).network


def _as_trained(run: Any) -> Any:
    """The tested network of a run, in which only weights that trained in some epoch require gradients."""
    import math

    from agegender.configuration.build import build
    from agegender.training.finetuning.freezing import groups_with_gradient

    network = _network(run)
    groups = groups_with_gradient(network.backbone)
    for callback in build(run.origin.config.get("finetune") or {}, "callbacks").values():
        training = set(callback.trainable_names(network.backbone, groups, math.inf))
        for name in {name for group in groups for name in group} - training:
            network.backbone.get_parameter(name).requires_grad_(False)
    return network


if __name__ == "__main__":
    main()
