"""``python -m agegender.predict PHOTO...``: age and apparent gender of every face in photos, folders and videos."""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agegender.errors import AgeGenderError
from agegender.escaping import one_line
from agegender.inference.model_options import CAVEAT, add_model_options, load_predictor, positive
from agegender.one_line_errors import one_line_errors

if TYPE_CHECKING:
    from agegender.inference.age_gate import AgeGate
    from agegender.inference.photos import Result
    from agegender.inference.predictor import Face, Predictor


def main(arguments: Sequence[str] | None = None) -> None:
    """Predicts files, and prints or writes one row for each face."""
    options = parser().parse_args(arguments)
    continues = "" if options.output is None else "; the same command continues"
    with one_line_errors(f"interrupted{continues}"):
        predict(options)


def parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m agegender.predict",
        description="Estimates age and apparent gender of every face. " + CAVEAT,
    )
    parser.add_argument(
        "paths",
        nargs="+",
        type=Path,
        metavar="PHOTO_OR_FOLDER",
        help="image files, and folders of them; or one video or camera",
    )
    add_model_options(parser)
    parser.add_argument("--output", type=Path, metavar="FILE", help="write .csv, .parquet or .jsonl; continues if interrupted")
    parser.add_argument(
        "--annotate",
        type=Path,
        metavar="DIR_OR_VIDEO",
        help="write each photo with boxes and estimates into that folder; of a video, the video to write, such as out.mp4",
    )
    parser.add_argument(
        "--age-gate",
        type=positive,
        metavar="AGE",
        help="for each face, whether it passes an age gate of this legal age, with error rates measured at the test; "
        "estimation alone does not suffice where the law asks for age verification",
    )
    parser.add_argument(
        "--challenge",
        type=positive,
        metavar="AGE",
        help="estimated age from which a face passes the gate (default: the test's, 25)",
    )
    video = parser.add_argument_group("videos")
    video.add_argument("--every", type=positive, metavar="N", help="search every Nth frame for faces (default 1)")
    video.add_argument(
        "--summary",
        type=Path,
        metavar="FILE",
        help="write a CSV of anonymous audience counts: faces by time window, age range and gender",
    )
    video.add_argument("--window", type=positive, metavar="SECONDS", help="length of a time window (default 60)")
    video.add_argument("--least", type=positive, metavar="N", help="leave out counts below N (default 5)")
    return parser


def predict(options: argparse.Namespace) -> None:
    """Predicts the files that the command line names.

    Raises:
        AgeGenderError: A path, the model or an option cannot be used.
    """
    from agegender.inference.photos import list_images
    from agegender.inference.video import is_video

    if any(map(is_video, options.paths)):
        _predict_video(options)
        return
    for name in ("every", "summary", "window", "least"):
        if getattr(options, name) is not None:
            raise AgeGenderError(f"--{name}: only for a video")
    listing = list_images(options.paths)
    if not listing.files:
        raise AgeGenderError(f"no image file in {', '.join(map(str, options.paths))}")
    predictor = load_predictor(options)
    gate = _gate(options, predictor)
    _predict_all(options, predictor, listing.files, gate)
    if listing.others:
        print(f"{listing.others} other files in the folders have no suffix of an image", file=sys.stderr)
    if listing.links:
        print(f"{listing.links} links to other folders were not followed", file=sys.stderr)
    print("\n".join([*([] if gate is None else gate.summary()), CAVEAT]), file=sys.stderr)


def _predict_video(options: argparse.Namespace) -> None:
    from contextlib import ExitStack

    from agegender.inference.annotate import annotate
    from agegender.inference.audience import Audience
    from agegender.inference.tracking import Track, Tracker, follow
    from agegender.inference.video import SUFFIXES, Frame, VideoError, VideoReader, VideoWriter
    from agegender.whole_files import whole

    [path, *others] = options.paths
    if others or options.output is not None:
        raise AgeGenderError(f"{path}: a video is predicted alone, without --output; see --annotate and --summary")
    _require_place("annotate", options.annotate, SUFFIXES, path)
    _require_place("summary", options.summary, (".csv",), path)
    predictor = load_predictor(options)
    if predictor.detector is None:
        raise AgeGenderError(f"{path}: a video needs a face detector (--download-detector or --detector-weights FILE)")
    gate, tracker, audience = _gate(options, predictor), Tracker(), Audience(options.window or 60, options.least or 5)

    def report(tracks: Sequence[Track]) -> None:
        for track in tracks:
            audience.add(track)
            when = f"{track.first:.1f} to {track.last:.1f} s"
            print("  ".join([one_line(path), f"face {track.number}", when, *_estimate(track.face, gate)]), flush=True)

    with ExitStack() as stack:
        reader = stack.enter_context(VideoReader(path))
        writer = None
        if options.annotate is not None:
            writer = VideoWriter(stack.enter_context(whole(options.annotate)), reader.rate)
        try:
            for frame, visible, ended in follow(reader, predictor, tracker, options.every or 1):
                report(ended)
                if writer is not None:
                    writer.write(Frame(frame.time, annotate(frame.pixels, [track.face for track in visible])))
        except VideoError as error:
            print(f"{one_line(error)}; what was before is predicted", file=sys.stderr)
        except KeyboardInterrupt:
            print("interrupted; what was before is predicted", file=sys.stderr)
        report(tracker.end())
        if writer is not None:
            writer.close()
    if options.summary is not None:
        audience.write(options.summary)
    print("\n".join([*([] if gate is None else gate.summary()), CAVEAT]), file=sys.stderr)


def _require_place(option: str, file: Path | None, suffixes: Collection[str], video: Path) -> None:
    """Refuses a file that cannot be written before the video is read, and makes its folder."""
    if file is None:
        return
    if file.suffix.lower() not in suffixes:
        raise AgeGenderError(f"--{option} {file}: the name must end in {', '.join(sorted(suffixes))}")
    try:
        if file.exists() and file.samefile(video):
            raise AgeGenderError(f"--{option} {file}: is the video that is read; choose another name")
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AgeGenderError(f"--{option} {file}: cannot be written: {error.strerror or error}") from error


def _gate(options: argparse.Namespace, predictor: "Predictor") -> "AgeGate | None":
    if options.age_gate is None:
        if options.challenge is not None:
            raise AgeGenderError("--challenge: only with --age-gate AGE")
        return None
    if options.flip:
        raise AgeGenderError("--age-gate: not with --flip, because the error rates were measured without it")
    from agegender.inference.age_gate import AgeGate

    return AgeGate.measured(predictor.model.metrics, options.age_gate, options.challenge)


def _predict_all(options: argparse.Namespace, predictor: "Predictor", files: Sequence[Path], gate: "AgeGate | None") -> None:
    from agegender.inference.annotate import AnnotatedFolder
    from agegender.inference.photos import predict_files

    by_size = options.detector == "auto"
    annotated = None if options.annotate is None else AnnotatedFolder(options.annotate, options.paths)

    def results(files: Sequence[Path]) -> Iterator["Result"]:
        cropped = 0
        for result in predict_files(predictor, files, by_size):
            if annotated is not None and result.faces:
                annotated.write(result)
            cropped += by_size and bool(result.faces) and result.faces[0].box is None
            yield result
        if cropped:
            print(
                f"{cropped} files are small and nearly square, so they were taken as cropped faces (see --detector)",
                file=sys.stderr,
            )

    if options.output is None:
        for result in results(files):
            print("\n".join(_lines(result, gate)), flush=True)
        return
    from agegender.inference.prediction_file import PredictionFile

    names = ("model", "detector", "flip", "level", "device", "age_gate", "challenge")
    settings: dict[str, Any] = {name: str(getattr(options, name)) for name in names}
    settings |= {"photos": [os.path.abspath(path) for path in options.paths], "searched": predictor.detector is not None}
    with PredictionFile(options.output, settings, gate) as table:
        left = [file for file in files if str(file) not in table.done]
        if table.done:
            print(f"continues: {len(files) - len(left)} of {len(files)} files are done", file=sys.stderr)
        reasons: Counter[str] = Counter()
        for number, result in enumerate(results(left), 1):
            table.write(result)
            reasons[result.reason.split(":")[0]] += 1
            _progress(number, len(left))
    print(f"{len(files)} files, written to {options.output}", file=sys.stderr)
    for reason, count in reasons.most_common():
        if reason:
            print(f"{count} without an estimate: {one_line(reason)}", file=sys.stderr)


def _lines(result: "Result", gate: "AgeGate | None") -> list[str]:
    """What is printed about a file."""
    name = one_line(result.path)
    if not result.faces:
        return [f"{name}: {one_line(result.reason)}"]
    lines = []
    for number, face in enumerate(result.faces, 1):
        parts = [name, f"face {number}", *_estimate(face, gate)]
        if face.box is not None:
            parts.append("box " + " ".join(f"{edge:.0f}" for edge in face.box))
        lines.append("  ".join(parts))
    return lines


def _estimate(face: "Face", gate: "AgeGate | None") -> list[str]:
    """What is printed about the estimate of a face."""
    parts = []
    if face.age is not None:
        low, high = face.interval or (None, None)
        parts.append(f"age {face.age:.1f}" + ("" if low is None else f" ({face.level}%: {low:.0f} to {high:.0f})"))
    if face.probability_female is not None:
        parts.append(f"probability female {face.probability_female:.3f}")
    if gate is not None:
        parts.append(gate.explained(face))
    return parts


def _progress(done: int, total: int) -> None:
    if sys.stderr.isatty() and (done % 10 == 0 or done == total):
        print(f"\r{done} of {total} files", end="\n" if done == total else "", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
