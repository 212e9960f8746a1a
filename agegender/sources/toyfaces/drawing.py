"""Draws one toy face from its traits: shapes at twice the size, then light, blur and noise."""

import cv2
import numpy as np

from agegender.sources.toyfaces.pen import Colour, Pen, both, curve, darker, mix, oval, strip
from agegender.sources.toyfaces.traits import Traits

VERSION = 2
"""Version of the drawing. Increase it with every change of the pixels, so old files are not reused."""

_ARC = np.linspace(0, np.pi, 33)
_DOWN = np.linspace(0, 1, 20)
_BLACK = (12.0, 8.0, 8.0)


def draw(traits: Traits, size: int, rng: np.random.Generator) -> np.ndarray:
    """Draw one face.

    Args:
        traits: Parameters of the face.
        size: Width and height of the image in pixels.
        rng: Random generator of pose, clothes, background, light, noise and blur.

    Returns:
        RGB image, uint8 [size, size, 3].
    """
    canvas = _background(2 * size, rng)
    pen = Pen(canvas, traits.skull, traits.chin, rng)
    outline = _outline(traits)
    _back_hair(pen, traits, rng)
    _body(pen, traits, rng)
    pen.fill(outline, traits.skin)
    _soft_shadows(pen, traits)
    _marks_of_age(pen, traits, rng)
    _beard(pen, traits, outline, rng)
    _mouth(pen, traits)
    _nose(pen, traits)
    _eyes(pen, traits, rng)
    _front_hair(pen, traits, rng)
    _worn(pen, traits, rng)
    return _finish(canvas, size, rng)


def _any_colour(rng: np.random.Generator) -> Colour:
    red, green, blue = (rng.uniform(20, 235) + rng.uniform(-70, 70, 3)).clip(0, 255).tolist()
    return red, green, blue


def _strand(traits: Traits, rng: np.random.Generator) -> Colour:
    """Colour of one strand of hair; the probability of a grey strand is 0.8 * `traits.grey`."""
    if rng.random() < 0.8 * traits.grey:
        return mix(traits.hair, (225, 225, 228), rng.uniform(0.2, 0.8))
    return mix(traits.hair, (255, 240, 220) if rng.random() < 0.5 else _BLACK, rng.uniform(0, 0.3))


def _background(size: int, rng: np.random.Generator) -> np.ndarray:
    corners = np.array([_any_colour(rng) for _ in range(4)], np.float32).reshape(2, 2, 3)
    canvas = cv2.resize(corners, (size, size), interpolation=cv2.INTER_LINEAR).astype(np.uint8)
    for _ in range(rng.integers(0, 5)):
        x, y, width, height = (rng.uniform(0, size, 4) * (1, 1, 0.5, 0.8)).astype(int).tolist()
        if rng.random() < 0.5:
            cv2.rectangle(canvas, (x, y), (x + width, y + height), _any_colour(rng), -1)
        else:
            cv2.circle(canvas, (x, y), width // 2 + 1, _any_colour(rng), -1)
    return cv2.blur(canvas, (9, 9))


def _back_hair(pen: Pen, traits: Traits, rng: np.random.Generator) -> None:
    shadow = mix(traits.hair, (0, 0, 0), 0.25)
    if traits.bun:
        pen.fill(oval(rng.uniform(-0.3, 0.3), -traits.skull - 0.2, 0.4, 0.32), shadow)
    if traits.hair_length > 0:
        wide = 1.08 + traits.volume
        side = _hanging(wide, wide + 0.12 * traits.hair_length, traits.hair_length, rng)
        top = np.stack([-np.cos(_ARC) * wide, -0.4 - np.sin(_ARC) * (traits.skull - 0.3)], axis=1)
        pen.fill(np.concatenate([(side * (-1, 1))[::-1], top, side]), shadow)


def _hanging(top: float, bottom: float, length: float, rng: np.random.Generator) -> np.ndarray:
    """Wavy edge of long hair, from the temple to `length` below the eyes."""
    wave = rng.uniform(0, 0.05) * np.sin(rng.uniform(4, 12) * _DOWN)
    return np.stack([top + (bottom - top) * _DOWN + wave, -0.4 + (length + 0.4) * _DOWN], axis=1)


def _body(pen: Pen, traits: Traits, rng: np.random.Generator) -> None:
    neck, collar = traits.neck, traits.chin + rng.uniform(0.25, 0.45)
    broad = 0.8 + 1.5 * neck
    shoulder = np.array([(neck + 0.1, collar), (broad, collar + 0.3), (broad + 0.2, 4)])
    pen.fill(np.concatenate([shoulder, (shoulder * (-1, 1))[::-1]]), _any_colour(rng))
    throat = np.array([(neck, 0.3), (neck, collar), (0.2, collar + 0.25)])
    pen.fill(np.concatenate([throat, (throat * (-1, 1))[::-1]]), darker(traits.skin, 0.2))
    for side in (-1, 1):
        pen.fill(oval(side * 1.0, 0.14, 0.15, traits.ear), darker(traits.skin, 0.08))
        if traits.earring:
            pen.fill(oval(side * 1.04, 0.18 + traits.ear, 0.07, 0.07), (240, 205, 80))


def _outline(traits: Traits) -> np.ndarray:
    """Outline of the face: half an ellipse above the eyes, then cheek, jaw and chin."""
    top = np.stack([-np.cos(_ARC), 0.1 - np.sin(_ARC) * (traits.skull + 0.1)], axis=1)
    width = np.sqrt(1 - _DOWN**traits.jaw_square) * (1 - traits.jaw_taper * _DOWN)
    width = width + 0.07 * traits.jowl * np.exp(-(((_DOWN - 0.72) / 0.15) ** 2))
    right = np.stack([width, 0.1 + (traits.chin - 0.1) * _DOWN], axis=1)[:-1]
    return np.concatenate([top, right, (right * (-1, 1))[::-1]])


def _soft_shadows(pen: Pen, traits: Traits) -> None:
    def dark(depth: float) -> Colour:
        return -depth, -depth, -depth

    pen.soften([
        (traits.eye_x, -0.04, 0.26, 0.18, dark(18)),
        (traits.eye_x, 0.22, 0.2, 0.07, dark(26 * traits.eye_bags)),
        (0.6, 0.5, 0.22, 0.18, (30 * traits.blush, -18 * traits.blush, -10 * traits.blush)),
        (0.68, 0.72, 0.13, 0.28, dark(38 * traits.hollow)),
        (0.17, traits.nose_length * 0.65, 0.05, 0.2, dark(14)),
        (0.5, traits.chin * 0.85, 0.2, 0.08, dark(26 * traits.jowl)),
    ])  # fmt: skip


def _marks_of_age(pen: Pen, traits: Traits, rng: np.random.Generator) -> None:
    def crease(curves: list[np.ndarray], depth: float) -> None:
        if depth > 0.08:
            pen.lines(curves, darker(traits.skin, min(0.5, 0.12 + 0.34 * depth)), 0.02 + 0.02 * depth)

    heights = -0.42 - 0.13 * (np.arange(round(4 * traits.forehead_lines)) + rng.uniform(0, 0.6))
    long = rng.uniform(0.35, 0.6)
    crease([curve((-long, y), (0, y - 0.08), (long, y + rng.normal(0, 0.02))) for y in heights], traits.forehead_lines)
    corner = traits.eye_x + traits.eye_width
    for tilt in (-0.14, 0.0, 0.15):
        crease(both(curve((corner + 0.03, tilt * 0.3), (corner + 0.1, tilt * 0.6), (corner + 0.2, tilt))), traits.crow_feet)
    under = curve((traits.eye_x - 0.2, 0.16), (traits.eye_x, 0.34), (traits.eye_x + 0.2, 0.16))
    crease(both(under), traits.eye_bags)
    wing, lip = traits.nose_width + 0.06, traits.mouth_width + 0.08
    tip, down = traits.nose_length, traits.mouth_y * traits.chin
    crease(both(curve((wing, tip - 0.05), (lip, tip), (lip + 0.04, down + 0.02))), traits.nasolabial)
    crease(both(curve((lip, down + 0.06), (lip + 0.03, down + 0.15), (lip - 0.02, down + 0.28))), traits.marionette)
    crease(both(curve((0.04, -0.12), (0.06, -0.2), (0.05, -0.32))), traits.forehead_lines - 0.3)
    for _ in range(round(8 * traits.spots)):
        x, y, radius = rng.uniform(-0.75, 0.75), rng.uniform(-0.7, 0.7), rng.uniform(0.02, 0.045)
        pen.fill(oval(x, y, radius, radius), darker(traits.skin, 0.28))


def _beard(pen: Pen, traits: Traits, outline: np.ndarray, rng: np.random.Generator) -> None:
    if traits.beard == "none":
        return
    shade = mix(traits.skin, traits.brow_colour, {"stubble": 0.3}.get(traits.beard, rng.uniform(0.7, 0.95)))
    mouth, nose = traits.mouth_y * traits.chin, traits.nose_length
    if traits.beard in ("stubble", "full"):
        jaw = outline[outline[:, 1] > 0.3] * (1, 1.0 if traits.beard == "stubble" else rng.uniform(1, 1.1))
        jaw = jaw[np.argsort(np.arctan2(jaw[:, 0], jaw[:, 1]))]
        edge = curve((0.9, 0.3), (0.55, mouth), (0, nose + 0.08))
        pen.fill(np.concatenate([jaw, edge, (edge * (-1, 1))[::-1]]), shade)
    if traits.beard == "goatee":
        pen.fill(oval(0, traits.chin * 0.88, 0.24, 0.22), shade)
    if traits.beard in ("goatee", "moustache"):
        half = curve((0, nose + 0.07), (0.25, nose + 0.1), (traits.mouth_width + 0.06, mouth + 0.02))
        pen.fill(np.concatenate([half, [(0, mouth - 0.05)], (half * (-1, 1))[::-1]]), shade)


def _mouth(pen: Pen, traits: Traits) -> None:
    half, y, thick = traits.mouth_width, traits.mouth_y * traits.chin, traits.lips
    corner = y - traits.smile
    low = y + 2 * traits.mouth_open
    upper = np.concatenate([curve((-half, corner), (-half / 2, y - 2 * thick), (0, y - thick * 0.8)),
                            curve((0, y - thick * 0.8), (half / 2, y - 2 * thick), (half, corner))])  # fmt: skip
    lower = curve((half, corner), (0, 2 * low - corner + 2.6 * thick), (-half, corner))
    pen.fill(np.concatenate([upper, lower]), traits.lip_colour)
    parting = curve((-half, corner), (0, 2 * y - corner), (half, corner))
    if traits.mouth_open:
        pen.fill(np.concatenate([parting, curve((half, corner), (0, 2 * low - corner), (-half, corner))]), (70, 20, 24))
        teeth = parting * (0.8, 1)
        pen.fill(strip(teeth, 0, 0.06), (240, 236, 224))
    pen.lines([parting], darker(traits.lip_colour, 0.5), 0.025)


def _nose(pen: Pen, traits: Traits) -> None:
    wide, tip = traits.nose_width, traits.nose_length
    side = -1 if pen.turn > 0 else 1
    bridge = curve((side * 0.07, 0.02), (side * 0.07, tip * 0.6), (side * wide, tip - 0.03))
    pen.lines([bridge], darker(traits.skin, 0.22), 0.03)
    base = np.concatenate([curve((-wide, tip - 0.07), (-wide - 0.02, tip + 0.05), (-wide * 0.4, tip + 0.02)),
                           curve((wide * 0.4, tip + 0.02), (wide + 0.02, tip + 0.05), (wide, tip - 0.07))])  # fmt: skip
    pen.lines([base], darker(traits.skin, 0.4), 0.03)
    for x in (-0.5, 0.5):
        pen.fill(oval(x * wide, tip + 0.005, 0.045, 0.025), darker(traits.skin, 0.65))


def _eyes(pen: Pen, traits: Traits, rng: np.random.Generator) -> None:
    wide, tall, radius = traits.eye_width, traits.eye_open, traits.iris
    gaze = rng.normal(0, 0.025)
    lid_colour = darker(traits.skin, 0.1)
    for side in (-1, 1):
        x = side * traits.eye_x
        inner, outer = (x - side * wide, 0.02), (x + side * wide, -0.01 + 0.06 * traits.lid)
        upper = curve(inner, (x + side * 0.03, -2 * tall + tall * 0.5 * traits.lid), outer)
        lower = curve(inner, (x, 1.5 * tall), outer)
        pen.fill(np.concatenate([upper, lower[::-1]]), (244, 240, 234))
        pen.fill(oval(x + gaze, -0.01, radius, radius), traits.iris_colour)
        pen.fill(oval(x + gaze, -0.01, radius * 0.5, radius * 0.5), _BLACK)
        pen.fill(oval(x + gaze + 0.03, -0.04, 0.02, 0.02), (255, 255, 255))
        # The lids cover the parts of the iris outside the opening of the eye.
        pen.fill(strip(upper, 0.12, 0), lid_colour)
        pen.fill(strip(lower, 0, 0.07), darker(traits.skin, 0.04))
        pen.lines([upper], _BLACK, 0.025 + 0.035 * traits.lashes)
        if traits.lashes > 0.5:
            pen.lines([np.array([outer, (x + side * (wide + 0.08), outer[1] - 0.07)])], _BLACK, 0.03)
        fold = upper - (0, 0.06 + 0.03 * traits.lid)
        pen.lines([fold], darker(traits.skin, 0.25 + 0.2 * traits.lid), 0.02)
        y, arch, thick = -traits.brow_y, traits.brow_arch, traits.brow_thick
        brow = curve((x - side * 0.24, y + 0.03), (x + side * 0.06, y - 2 * arch), (x + side * 0.27, y + 0.05))
        pen.fill(strip(brow, thick, 0.6 * thick), traits.brow_colour)


def _front_hair(pen: Pen, traits: Traits, rng: np.random.Generator) -> None:
    """Draw the hair from the hairline to the top of the head, then locks in front of the ears."""
    across = -np.cos(_ARC)
    edge = np.abs(across) ** 5
    lift = traits.volume * (1 - traits.receding * (1 - edge))
    outer = np.stack([across * (1.02 + traits.volume * 0.7), 0.1 - np.sin(_ARC) * (traits.skull + 0.1 + lift)], axis=1)
    temples = 0.3 * np.exp(-(((np.abs(across) - 0.55) / 0.25) ** 2))
    height = traits.hairline - traits.fringe + traits.receding * (0.32 + temples)
    line = 0.15 * edge - traits.skull * height * (1 - edge)
    line = np.maximum(line, outer[:, 1] + lift)
    inner = np.stack([across * 0.94, line + rng.normal(0, 0.012, len(line))], axis=1)
    pen.fill(np.concatenate([outer, inner[::-1]]), mix(traits.hair, traits.skin, traits.thin))
    starts = rng.integers(1, 32, 28)
    ends = np.clip(starts + rng.integers(-3, 4), 1, 31)
    strands = inner[starts, None] + (outer[ends] - inner[starts])[:, None] * np.array([[0.05], [0.95]])
    pen.strands(strands, [mix(_strand(traits, rng), traits.skin, traits.thin) for _ in strands])
    if traits.hair_length > 0 and rng.random() < 0.7:
        wide = 1.08 + traits.volume
        inside = _hanging(0.9, 0.95, traits.hair_length * rng.uniform(0.6, 1), rng)
        outside = inside * (0, 1) + (wide, 0)
        for side in (-1, 1):
            pen.fill(np.concatenate([inside, outside[::-1]]) * (side, 1), traits.hair)
            locks = (inside + rng.uniform(0.1, 0.9, (4, 1, 1)) * (outside - inside)) * (side, 1)
            pen.strands(locks, [_strand(traits, rng) for _ in locks])


def _worn(pen: Pen, traits: Traits, rng: np.random.Generator) -> None:
    """Draw glasses, headwear and objects in front of the face."""
    colour = _any_colour(rng)
    if traits.glasses != "none":
        frame = mix(colour, _BLACK, 0.6)
        rims = [oval(side * traits.eye_x, 0.04, 0.32, rng.uniform(0.22, 0.28)) for side in (-1, 1)]
        if traits.glasses == "sun":
            for rim in rims:
                pen.fill(rim, (24, 22, 26))
        arms = both(np.array([(traits.eye_x + 0.31, 0.0), (1.0, -0.02)]))
        bridge = curve((-traits.eye_x + 0.32, 0.02), (0, -0.06), (traits.eye_x - 0.32, 0.02))
        pen.lines([*rims, bridge, *arms], frame, rng.uniform(0.03, 0.06))
    if traits.headwear != "none":
        brim = -0.45 * traits.skull
        dome = np.stack([-np.cos(_ARC) * 1.13, brim - np.sin(_ARC) * (traits.skull + brim + 0.2)], axis=1)
        if traits.headwear == "band":
            pen.lines([curve((-1.08, brim), (0, 2.2 * brim), (1.08, brim))], colour, rng.uniform(0.1, 0.25))
        else:
            pen.fill(dome, colour)
            pen.fill(oval(0, brim, 1.13, 0.13), mix(colour, _BLACK, 0.35 if traits.headwear == "cap" else 0.1))
    if traits.occluder == "mask":
        half = np.array([(0, 0.22), (0.97, 0.3), (0.7, traits.chin * 0.9), (0, traits.chin + 0.06)])
        pen.fill(np.concatenate([half, (half * (-1, 1))[::-1]]), mix(colour, (235, 240, 245), 0.6))
    elif traits.occluder == "bar":
        y, tilt, tall = rng.uniform(-0.9, 1.2), rng.normal(0, 0.5), rng.uniform(0.1, 0.25)
        pen.fill(np.array([(-3, y - tilt), (3, y + tilt), (3, y + tilt + tall), (-3, y - tilt + tall)]), colour)
    elif traits.occluder == "hand":
        side, top = rng.choice((-1, 1)), rng.uniform(0.1, 0.8)
        pen.fill(oval(side * 0.75, top + 0.75, 0.42, 0.45), darker(traits.skin, 0.12))
        fingers = [np.array([(side * x, top + 0.6), (side * (x - 0.06), top)]) for x in (0.48, 0.66, 0.84, 1.02)]
        pen.lines(fingers, darker(traits.skin, 0.25), 0.19)
        pen.lines(fingers, darker(traits.skin, 0.1), 0.15)


def _finish(canvas: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Resize to the final size, then apply exposure, light from one side, colour cast, blur and noise."""
    if rng.random() < 0.15:
        canvas = cv2.resize(canvas, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
        small = cv2.resize(canvas, (size, size), interpolation=cv2.INTER_LINEAR)
    else:
        small = cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA)
    tone = 255 * (np.arange(256) / 255) ** np.exp(rng.normal(0, 0.25)) * rng.uniform(0.75, 1.1)
    image = cv2.LUT(small, tone.astype(np.float32))
    across, down = rng.normal(0, 0.18, 2)
    ramp = np.linspace(-1, 1, size, dtype=np.float32)
    light = 1 + np.float32(across) * ramp[None, :] + np.float32(down) * ramp[:, None]
    image *= light[:, :, None] * rng.normal(1, 0.05, 3).astype(np.float32)
    blur = rng.exponential(0.35)
    if blur > 0.3:
        image = cv2.GaussianBlur(image, (0, 0), min(blur, 1.2) * size / 96)
    image = image + rng.standard_normal(image.shape, np.float32) * np.float32(min(rng.exponential(4), 12))
    return np.clip(image, 0, 255).astype(np.uint8)
