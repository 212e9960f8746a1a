"""A web page that shows the estimates of a photo. Needs Gradio, which must be imported after the temporary folder is set."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gradio
import numpy as np
from PIL import Image

from agegender.escaping import html
from agegender.inference.faces_html import CSS, FACES, faces_html, reason_html
from agegender.inference.model_options import CAVEAT
from agegender.inference.photos import find_faces
from agegender.inference.predictor import Predictor, rgb
from agegender.sources.images import ImageError, read_bytes
from agegender.sources.toyfaces.drawing import draw
from agegender.sources.toyfaces.traits import sample

Explain = Callable[[np.ndarray], Mapping[str, np.ndarray]]
"""From crops, uint8 [N, size, size, 3], to maps of each task, [N, size, size] in 0..1."""

KEPT = 60  # seconds before Gradio deletes an uploaded file
EXAMPLES = ((8, 1), (35, 0), (71, 1))  # age in years, and gender: 0 male, 1 female
HINT = "<p>Drop a photo, take one with the camera, or choose a drawn face.</p>"
# Screen readers say what changes in the region of the result.
ANNOUNCE = "() => document.querySelector('#result').setAttribute('aria-live', 'polite')"
SYSTEM_FONTS = ("system-ui", "sans-serif")
PAGE_CSS = """
.caveat { border: 2px solid #ffb000; border-radius: 8px; padding: .75rem 1rem; font-size: 1rem; line-height: 1.5; }
"""


def demo_page(predictor: Predictor, crops_by_size: bool, explain: Explain | None, folder: Path) -> gradio.Blocks:
    """Builds the page.

    Args:
        predictor: Estimates the photos.
        crops_by_size: See `agegender.inference.photos.predict_photos`.
        explain: Computes Grad-CAM; None shows none.
        folder: Where the drawn example faces are written. Gradio keeps uploaded files in its subfolder ``uploads``.
    """
    uploads = (folder / "uploads").resolve()

    def show(upload: dict[str, Any] | None) -> str:
        if upload is None:
            return HINT
        file = Path(upload["path"]).resolve()
        if not file.is_relative_to(uploads):  # a request may name any file; Gradio checks only those that it knows as uploads
            return reason_html("not an uploaded file")
        try:
            photo = read_bytes(file)
        except ImageError as error:
            return reason_html(str(error))
        found, reason = find_faces(predictor, photo, crops_by_size)
        if not found:
            return reason_html(reason)
        crops = [face.crop for face in found]
        maps = None if explain is None else explain(np.stack(crops[:FACES]))
        return faces_html(rgb(photo), predictor.estimate(found), crops, maps)

    with gradio.Blocks(title="Age and apparent gender", analytics_enabled=False, delete_cache=(KEPT // 6, KEPT)) as page:
        gradio.HTML(f'<h1>Age and apparent gender</h1><p class="caveat" role="note">{html(CAVEAT)}</p>')
        with gradio.Row():
            with gradio.Column(min_width=300):
                photo = gradio.Image(
                    label="Photo", sources=["upload", "webcam", "clipboard"], type="filepath", height=320, buttons=[]
                )
                labels = [f"drawn, {age} years" for age, _ in EXAMPLES]
                gradio.Examples(_examples(folder), photo, label="Examples", example_labels=labels)
                gradio.HTML(f"<p>Photos stay on this server and are deleted within {KEPT + KEPT // 6} seconds.</p>")
            with gradio.Column(min_width=300, scale=2):
                result = gradio.HTML(HINT, elem_id="result")
        photo.change(show, photo, result, preprocess=False, api_visibility="private")
    return page


def _examples(folder: Path) -> list[list[str]]:
    files = []
    for seed, (age, gender) in enumerate(EXAMPLES):
        rng = np.random.default_rng(seed)
        file = folder / f"drawn{seed}.png"
        Image.fromarray(draw(sample(age, gender, rng), 256, rng)).save(file)
        files.append([str(file)])
    return files


def launch(page: gradio.Blocks, host: str, port: int, max_mb: int) -> None:
    """Serves the page until KeyboardInterrupt."""
    page.launch(
        server_name=host,
        server_port=port,
        max_file_size=max_mb * 10**6,
        share=False,
        quiet=True,
        run_history=False,
        footer_links=[],
        ssr_mode=False,
        enable_monitoring=False,
        theme=gradio.themes.Default(font=SYSTEM_FONTS, font_mono=("monospace",)),
        css=CSS + PAGE_CSS,
        js=ANNOUNCE,
    )
