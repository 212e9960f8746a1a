"""``python -m agegender.demo``: a web page that shows age and apparent gender of the faces in a photo."""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from agegender.errors import AgeGenderError
from agegender.escaping import one_line
from agegender.inference.model_options import CAVEAT, add_model_options, load_predictor
from agegender.inference.server_options import add_server_options, interrupt_on_signals, require_free, url
from agegender.one_line_errors import one_line_errors

if TYPE_CHECKING:
    from agegender.inference.demo_page import Explain
    from agegender.inference.predictor import Predictor


def main(arguments: Sequence[str] | None = None) -> None:
    """Serves the page until Ctrl-C or SIGTERM."""
    options = parser().parse_args(arguments)
    interrupt_on_signals()
    with one_line_errors(), suppress(KeyboardInterrupt), tempfile.TemporaryDirectory(prefix="agegender-demo-") as folder:
        demo(options, Path(folder))


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    options = argparse.ArgumentParser(
        prog="python -m agegender.demo", description="Serves a web page that estimates the faces of a photo. " + CAVEAT
    )
    add_model_options(options)
    add_server_options(options, port=7860)
    return options


def demo(options: argparse.Namespace, folder: Path) -> None:
    """Serves the page.

    Args:
        options: The command line.
        folder: For uploaded photos; the caller removes it.

    Raises:
        AgeGenderError: The extra is not installed, or the port or the model cannot be used.
    """
    os.environ["GRADIO_TEMP_DIR"] = str(folder / "uploads")
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    try:
        from agegender.inference.demo_page import demo_page, launch
    except ImportError as error:
        raise AgeGenderError(f"demo needs more packages: pip install 'agegender[demo]' ({error})") from error
    require_free(options.host, options.port)
    predictor = load_predictor(options)
    page = demo_page(predictor, options.detector == "auto", grad_cam_of(predictor), folder)
    print(f"{url(options.host, options.port)}  Ctrl-C ends the server. {CAVEAT}", file=sys.stderr, flush=True)
    launch(page, options.host, options.port, options.max_mb)


def grad_cam_of(predictor: "Predictor") -> "Explain | None":
    """Grad-CAM of the model of a run directory; a bundle has no gradients."""
    from agegender.inference.bundle import Bundle

    if isinstance(predictor.model, Bundle):
        return None
    import numpy as np
    import torch

    from agegender.evaluation.grad_cam import grad_cam
    from agegender.inference.trained_model import TrainedModel

    assert isinstance(predictor.model, TrainedModel)
    network, device = predictor.model.network, predictor.model.device

    def explain(crops: np.ndarray) -> dict[str, np.ndarray]:
        images = torch.from_numpy(crops).permute(0, 3, 1, 2).to(device)
        return {task: grad_cam(network, images, task).cpu().numpy() for task in network.heads}

    try:
        explain(np.zeros((1, network.image_size, network.image_size, 3), np.uint8))
    except Exception as error:  # the backbone has no feature map; the estimates do not need one
        print(f"no Grad-CAM: {one_line(error)}", file=sys.stderr)
        return None
    return explain


if __name__ == "__main__":
    main()
