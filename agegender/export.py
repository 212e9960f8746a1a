"""``python -m agegender.export RUN_DIR BUNDLE_DIR``: a trained model as a folder that needs neither torch nor this project."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agegender import whole_package  # noqa: F401
from agegender.errors import AgeGenderError
from agegender.one_line_errors import one_line_errors
from agegender.regular_files import open_text

if TYPE_CHECKING:
    import numpy as np

    from agegender.inference.face_crop import FacePlace
    from agegender.inference.onnx_export import DeployedNetwork
    from agegender.models.checkpoint import TrainedNetwork
    from agegender.runs.run_directory import RunDirectory

Files = dict[str, Any]  # content by file name

CALIBRATION_FACES = 256  # training faces for the ranges of int8
CHECKED_FACES = 1000  # validation faces on which a smaller model is compared
YEARS, ACCURACY = 0.1, 0.005  # largest loss of label distance and of gender accuracy of a smaller model


def main(arguments: Sequence[str] | None = None) -> None:
    """Exports the best model of a run, and verifies what was written."""
    options = parser().parse_args(arguments)
    with one_line_errors():
        export(options)


def parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m agegender.export",
        description="Exports a trained model and checks the exported one against it on faces of the run.",
    )
    parser.add_argument("run", type=Path, metavar="RUN_DIR", help="run directory of agegender.train")
    parser.add_argument("bundle", type=Path, metavar="BUNDLE_DIR", help="new folder")
    parser.add_argument(
        "--format",
        choices=("onnx", "torch_export", "safetensors"),
        default="onnx",
        help="onnx (default): a bundle for agegender.predict and for ONNX Runtime in any language; torch_export: a program for "
        "torch.export.load; safetensors: for further training with init_from=BUNDLE_DIR: the weights and the configuration of "
        "the network, and hashes of the images it has learned from",
    )
    parser.add_argument(
        "--precision",
        choices=("fp32", "fp16", "int8"),
        default="fp32",
        help="of an ONNX model; fp16 and int8 are refused if the distance from the labelled ages grows by more than "
        f"{YEARS:g} years or gender accuracy falls by more than {ACCURACY:.1%} on validation faces",
    )
    parser.add_argument(
        "--detector-weights",
        type=Path,
        metavar="FILE",
        help="YuNet model file: measures where faces are in the training crops, so that the bundle can be used on photos "
        "(default: the downloaded one, if there is one)",
    )
    parser.add_argument(
        "--license",
        type=Path,
        metavar="FILE",
        help="Markdown that is added to licenses.md and to the model card: your terms for the exported weights",
    )
    parser.add_argument("--push", metavar="hf://USER/NAME", help="upload the bundle to the Hugging Face Hub")
    return parser


def export(options: argparse.Namespace) -> None:
    """Exports the run that the command line names.

    Raises:
        AgeGenderError: The run has no model, the network cannot be exported, or the exported model differs from it.
    """
    from agegender.configuration.schema import validate_saved
    from agegender.inference.bundle import CHECKSUMS
    from agegender.inference.bundle_files import require_new, write_files
    from agegender.inference.hub import HubAddress, push
    from agegender.inference.onnx_export import DeployedNetwork
    from agegender.models.checkpoint import load_network
    from agegender.runs.run_directory import RunDirectory

    require_new(options.bundle)
    if options.format != "onnx" and options.precision != "fp32":
        raise AgeGenderError(f"--precision {options.precision}: only for --format onnx")
    terms = None if options.license is None else _text(options.license)
    if options.push is not None and options.format != "onnx":
        raise AgeGenderError(f"--push {options.push}: only for --format onnx")
    if options.push is not None:
        HubAddress.of(options.push)
    if (options.run / CHECKSUMS).is_file():
        raise AgeGenderError(f"{options.run}: a bundle already; name the run directory of the training")
    run = RunDirectory(options.run)
    validate_saved(run.read_config(), run.config)
    trained = load_network(run.best)
    place, report = _place(run, options.detector_weights)
    network = DeployedNetwork(trained.network).eval()
    model = {"onnx": _onnx, "torch_export": _torch_export, "safetensors": _safetensors}[options.format]
    files, lines = model(run, network, options.precision)
    files |= _described(run, trained, place, terms)
    write_files(options.bundle, files)
    print("\n".join([*report, *lines, f"written to {options.bundle}: {', '.join(sorted(files))}"]))
    if options.push is not None:
        print(f"pushed: load it with --model {push(options.bundle, options.push)}")


def _place(run: "RunDirectory", weights: Path | None) -> tuple["FacePlace | None", list[str]]:
    """Where a face detector finds the faces in the training crops, and a line about it."""
    from agegender.inference.faces import YuNet, yunet_file
    from agegender.inference.run_model import measured_place

    if weights is None and not yunet_file().is_file():
        return None, ["no face detector, so the bundle takes cropped faces only (--detector-weights FILE)"]
    place = measured_place(run, YuNet(weights or yunet_file()))
    return place, [f"the detector finds a face in {place.faces} of {place.images} training crops; their margin is stored"]


def _onnx(run: "RunDirectory", network: "DeployedNetwork", precision: str) -> tuple[Files, list[str]]:
    from agegender.inference.bundle import MODEL, OnnxModel
    from agegender.inference.onnx_export import BATCHES, require_parity, to_onnx
    from agegender.inference.run_model import training_crops

    model = to_onnx(network)
    gaps = require_parity(network, OnnxModel(model).outputs, training_crops(run, max(BATCHES), network.image_size))
    report = [_gaps(gaps)]
    if precision != "fp32":
        model, line = _smaller(model, precision, run, network)
        report.append(line)
    return {MODEL: model}, report


def _gaps(gaps: Mapping[str, float]) -> str:
    return "largest difference from the network: " + ", ".join(f"{name} {gap:.2g}" for name, gap in gaps.items())


def _smaller(model: bytes, precision: str, run: "RunDirectory", network: "DeployedNetwork") -> tuple[bytes, str]:
    """The model in another precision, after a comparison on validation faces, and a line about the loss."""
    from agegender.inference.bundle import OnnxModel
    from agegender.inference.quantization import half, int8, loss_of_precision
    from agegender.inference.run_model import labelled_crops, training_crops

    size = network.image_size
    smaller = half(model) if precision == "fp16" else int8(model, training_crops(run, CALIBRATION_FACES, size))
    images, age, gender = labelled_crops(run, "val", CHECKED_FACES, size)
    before, after = (_in_batches(OnnxModel(one).outputs, images) for one in (model, smaller))
    loss = loss_of_precision(before, after, age, gender)
    loss.require_small(YEARS, ACCURACY)
    return smaller, f"{precision}: {len(model) / 1e6:.1f} MB becomes {len(smaller) / 1e6:.1f} MB; {loss}"


def _in_batches(outputs: "Callable[[np.ndarray], dict[str, np.ndarray]]", images: "np.ndarray") -> "dict[str, np.ndarray]":
    import numpy as np

    parts = [outputs(images[start : start + 32]) for start in range(0, len(images), 32)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _torch_export(run: "RunDirectory", network: "DeployedNetwork", precision: str) -> tuple[Files, list[str]]:
    import io

    import torch

    from agegender.inference.onnx_export import BATCHES, require_parity, to_program
    from agegender.inference.run_model import training_crops

    program, buffer = to_program(network), io.BytesIO()
    torch.export.save(program, buffer)
    buffer.seek(0)
    loaded = torch.export.load(buffer).module()

    def outputs(images: "np.ndarray") -> dict[str, "np.ndarray"]:
        values = loaded(torch.from_numpy(images))
        return {name: value.detach().numpy() for name, value in zip(network.names, values, strict=True)}

    gaps = require_parity(network, outputs, training_crops(run, max(BATCHES), network.image_size))
    return {"model.pt2": buffer.getvalue()}, [_gaps(gaps)]


def _safetensors(run: "RunDirectory", network: "DeployedNetwork", precision: str) -> tuple[Files, list[str]]:
    from agegender.inference.safetensors_bundle import safetensors_files

    return safetensors_files(run, network.network), []


def _text(file: Path) -> str:
    try:
        with open_text(file) as opened:
            return opened.read()
    except (OSError, UnicodeDecodeError) as error:
        raise AgeGenderError(
            f"--license {file}: cannot be read as text: {getattr(error, 'strerror', None) or error}"
        ) from error


def _described(run: "RunDirectory", trained: "TrainedNetwork", place: "FacePlace | None", terms: str | None) -> Files:
    """The files that every format has: how to prepare a face, what the outputs mean, licences, and what was measured."""
    import yaml

    from agegender.evaluation.report.stored_card import stored_card
    from agegender.inference.bundle import CALIBRATION, CARD, CONFIG, LABELS, LICENSES, METRICS, PREPROCESS
    from agegender.inference.license_note import license_note
    from agegender.inference.trained_model import labels, preprocess

    calibration, test, card = run.read_calibration(), run.latest_test, stored_card(run, trained.licenses)
    return {
        PREPROCESS: preprocess(trained, place),
        LABELS: labels(trained),
        LICENSES: license_note(trained.licenses, _initial_weights(run), terms),
        CONFIG: yaml.safe_dump(_without_folders(run.read_config()), sort_keys=False, allow_unicode=True),
        **({} if card is None else {CARD: card if terms is None else f"{card.rstrip()}\n\n{terms.strip()}\n"}),
        **({METRICS: test.read_metrics()} if test.metrics.is_file() else {}),
        **({} if calibration is None else {CALIBRATION: calibration}),
    }


def _without_folders(config: Any) -> Any:
    """A configuration whose absolute paths are cut to the last part: a bundle is given to people outside of this machine."""
    if isinstance(config, Mapping):
        return {key: _without_folders(value) for key, value in config.items()}
    if isinstance(config, list):
        return [_without_folders(value) for value in config]
    return Path(config).name if isinstance(config, str) and Path(config).is_absolute() else config


def _initial_weights(run: "RunDirectory") -> str:
    """What the training began with; with ``init_from``, what the first training of the chain began with too."""
    from agegender.runs.chain import chain_of

    if not (chain := chain_of(run)):
        return _weights_of_backbone(run.read_config()["backbone"])
    first = chain[0].config
    began = "unknown weights" if first is None else _weights_of_backbone(first["backbone"])
    trainings = " then ".join("+".join(stage.data) for stage in chain)
    return f"a model trained on {trainings}, which began with: {began}"


def _weights_of_backbone(backbone: Mapping[str, Any]) -> str:
    name = backbone.get("name") or str(backbone["_target_"]).rpartition(".")[2]
    if backbone.get("weights"):
        return f"the file {Path(str(backbone['weights'])).name} for {name}"
    return f"pretrained weights of timm for {name}" if backbone.get("pretrained") else f"random, for {name}"


if __name__ == "__main__":
    main()
