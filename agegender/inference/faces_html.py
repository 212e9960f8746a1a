"""The estimates of a photo as HTML: the photo with numbered boxes, and a card for each face. Pictures are inside the HTML."""

import base64
from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from agegender.escaping import html
from agegender.inference.predictor import Face

SIDE = 1000  # pixels of the longer side of the photo as it is shown
FACES = 20  # largest number of cards
WIDTH, HEIGHT, AXIS = 300, 90, 18  # of the chart of a distribution: its plot, and the labels below
RAISES = {"age": "raises the estimated age", "gender": "speaks for the estimated gender"}

CSS = """
.faces { font-size: 1rem; line-height: 1.5; }
.faces .photo { position: relative; display: inline-block; max-width: 100%; }
.faces .photo img { display: block; max-width: 100%; max-height: 70vh; }
.faces .box { position: absolute; border: 3px solid #ffb000; box-shadow: 0 0 0 1px #000; }
.faces .box b { position: absolute; left: -3px; top: -3px; padding: 0 .4em; background: #ffb000; color: #000; }
.faces .cards { display: grid; gap: 1rem; margin-top: 1rem; }
.faces .cards { grid-template-columns: repeat(auto-fill, minmax(min(100%, 19rem), 1fr)); }
.faces article { border: 1px solid var(--border-color-primary, #888); border-radius: 8px; padding: 1rem; }
.faces h2 { margin: 0 0 .5rem; font-size: 1.1rem; }
.faces p { margin: .5rem 0; }
.faces .age { font-size: 1.5rem; font-weight: 600; }
.faces svg { display: block; width: 100%; height: auto; }
.faces .bar { fill: #648fff; } .faces .inside { fill: #ffb000; }
.faces svg text { font-size: 12px; fill: currentColor; }
.faces .share { height: .75rem; border: 1px solid currentColor; border-radius: 4px; overflow: hidden; }
.faces .share div { height: 100%; background: #648fff; }
.faces .crops { display: grid; grid-template-columns: repeat(3, minmax(0, 8rem)); gap: .5rem; margin-top: .75rem; }
.faces figure { margin: 0; }
.faces figure img { width: 100%; }
.faces figcaption { font-size: .8rem; line-height: 1.3; }
.faces .reason { font-weight: 600; }
"""


def reason_html(reason: str) -> str:
    """Why there is no estimate."""
    return f'<div class="faces"><p class="reason" role="alert">No estimate: {html(reason)}.</p></div>'


def faces_html(
    image: np.ndarray, faces: Sequence[Face], crops: Sequence[np.ndarray], maps: Mapping[str, np.ndarray] | None = None
) -> str:
    """The estimates of a photo.

    Args:
        image: RGB photo, uint8 [height, width, 3].
        faces: Its faces, at least one.
        crops: Each as the model took it, uint8 [size, size, 3].
        maps: Grad-CAM for each task, each [faces, size, size] in 0..1; None if there is none.
    """
    number = len(faces)
    count = "1 face" if number == 1 else f"{number} faces"
    more = "" if number <= FACES else f" The {FACES} largest are shown."
    if faces[0].box is None:
        more = " The whole image was taken as a cropped face."
    cards = [
        _card(i, face, crop, {} if maps is None else {task: heat[i - 1] for task, heat in maps.items()})
        for i, (face, crop) in enumerate(zip(faces[:FACES], crops, strict=False), 1)
    ]
    return (
        f'<div class="faces"><p>{count}.{more}</p>{_photo(image, faces[:FACES])}<div class="cards">{"".join(cards)}</div></div>'
    )


def _photo(image: np.ndarray, faces: Sequence[Face]) -> str:
    height, width = image.shape[:2]
    scale = min(1.0, SIDE / max(height, width))
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else image
    boxes = []
    for number, face in enumerate(faces, 1):
        if face.box is not None:
            x0, y0, x1, y1 = np.clip(np.divide(face.box, (width, height, width, height)), 0, 1) * 100
            place = f"left:{x0:.2f}%;top:{y0:.2f}%;width:{x1 - x0:.2f}%;height:{y1 - y0:.2f}%"
            boxes.append(f'<span class="box" style="{place}"><b>{number}</b></span>')
    alt = "The photo, with a numbered box around each face" if boxes else "The photo"
    return f'<div class="photo">{_picture(small, alt)}{"".join(boxes)}</div>'


def _card(number: int, face: Face, crop: np.ndarray, maps: Mapping[str, np.ndarray]) -> str:
    pictures = [(crop, "as the model takes it")]
    pictures += [(_overlay(crop, heat), f"bright: {RAISES[task]} (Grad-CAM)") for task, heat in maps.items()]
    figures = [
        f"<figure>{_picture(pixels, f'Face {number}, {text}')}<figcaption>{text}</figcaption></figure>"
        for pixels, text in pictures
    ]
    parts = [f"<h2>Face {number}</h2>", *_age(number, face), *_gender(face), f'<div class="crops">{"".join(figures)}</div>']
    return f"<article>{''.join(parts)}</article>"


def _age(number: int, face: Face) -> list[str]:
    if face.age is None:
        return []
    parts = [f'<p class="age">looks {face.age:.0f} years old</p>']
    if face.interval is None:
        parts.append("<p>The model is not calibrated, so there is no interval.</p>")
    else:
        low, high = face.interval
        parts.append(f"<p>{low:.0f} to {high:.0f} years: {face.level}% of such intervals contain the labelled age.</p>")
    return parts if face.distribution is None else [*parts, _distribution(number, face, face.distribution)]


def _distribution(number: int, face: Face, distribution: np.ndarray) -> str:
    """A bar for each year of age; those inside of the interval have another colour."""
    bar = WIDTH / len(distribution)
    years = face.first_age + np.arange(len(distribution))
    low, high = face.interval or (np.inf, -np.inf)
    heights = distribution / distribution.max() * (HEIGHT - 4)
    bars = [
        f'<rect class="{"inside" if low <= year <= high else "bar"}" x="{i * bar:.2f}" y="{HEIGHT - tall:.2f}" '
        f'width="{bar:.2f}" height="{tall:.2f}"/>'
        for i, (year, tall) in enumerate(zip(years, heights, strict=True))
        if tall > 0.1
    ]
    places = {year: (year - face.first_age + 0.5) * bar for year in range(-(-face.first_age // 20) * 20, years[-1] + 1, 20)}
    marks = [
        f'<text x="{place:.2f}" y="{HEIGHT + AXIS - 4}" text-anchor="middle">{year}</text>'
        for year, place in places.items()
        if 8 < place < WIDTH - 50
    ]
    marks.append(f'<text x="{WIDTH}" y="{HEIGHT + AXIS - 4}" text-anchor="end">years</text>')
    middle = years[np.searchsorted(np.cumsum(distribution), [0.25, 0.75]).clip(max=len(years) - 1)]
    label = (
        f"Distribution of the age of face {number}: most probable {years[distribution.argmax()]} years, half of it from "
        f"{middle[0]} to {middle[1]} years"
    )
    axis = f'<line x1="0" y1="{HEIGHT}" x2="{WIDTH}" y2="{HEIGHT}" stroke="currentColor"/>'
    content = "".join([*bars, axis, *marks])
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT + AXIS}" role="img" aria-label="{label}">{content}</svg>'


def _gender(face: Face) -> list[str]:
    if face.probability_female is None:
        return []
    female = face.probability_female
    return [
        f"<p>Appearance, binary: <b>female {female:.1%}</b>, male {1 - female:.1%}</p>",
        f'<div class="share" aria-hidden="true"><div style="width:{female:.1%}"></div></div>',
    ]


def _overlay(crop: np.ndarray, heat: np.ndarray) -> np.ndarray:
    colours = cv2.applyColorMap((heat * 255).astype(np.uint8), cv2.COLORMAP_VIRIDIS)[..., ::-1]
    return ((crop.astype(np.float32) + colours) / 2).astype(np.uint8)


def _picture(image: np.ndarray, alt: str) -> str:
    data = cv2.imencode(".jpg", image[..., ::-1])[1].tobytes()
    return f'<img src="data:image/jpeg;base64,{base64.b64encode(data).decode()}" alt="{alt}">'
