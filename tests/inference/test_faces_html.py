import base64
import re
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest

from agegender.inference.faces_html import FACES, faces_html, reason_html
from agegender.inference.predictor import Face

PHOTO = np.full((300, 400, 3), (200, 30, 30), np.uint8)
CROP = np.full((16, 16, 3), 90, np.uint8)


def face(**values: object) -> Face:
    known = {"age": 31.4, "interval": (24.2, 39.6), "level": 90, "distribution": None, "first_age": 0,
             "probability_female": 0.934, "box": (40.0, 30.0, 140.0, 180.0), "detector_score": 0.9}  # fmt: skip
    return Face(**{**known, **values})  # type: ignore[arg-type]


def read(html: str) -> ElementTree.Element:
    return ElementTree.fromstring(re.sub(r"<img ([^>]*)>", r"<img \1/>", html))


def texts(html: str) -> str:
    return " ".join(" ".join(read(html).itertext()).split())


def pixels(image: ElementTree.Element) -> np.ndarray:
    data = base64.b64decode(image.attrib["src"].removeprefix("data:image/jpeg;base64,"))
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)


def test_a_face_has_its_age_interval_and_gender() -> None:
    html = faces_html(PHOTO, [face()], [CROP])
    assert "whole image" not in texts(html)
    assert "1 face. The whole image was taken as a cropped face." in texts(faces_html(PHOTO, [face(box=None)], [CROP]))
    assert "1 face." in texts(html) and "looks 31 years old" in texts(html)
    assert "24 to 40 years: 90% of such intervals contain the labelled age." in texts(html)
    assert "Appearance, binary: female 93.4% , male 6.6%" in texts(html)


def test_the_box_lies_on_the_face_and_does_not_leave_the_photo() -> None:
    html = faces_html(PHOTO, [face(), face(box=(300.0, 250.0, 500.0, 400.0))], [CROP] * 2)
    boxes = [element.attrib["style"] for element in read(html).iter("span")]
    assert boxes == [
        "left:10.00%;top:10.00%;width:25.00%;height:50.00%",
        "left:75.00%;top:83.33%;width:25.00%;height:16.67%",
    ]
    photo, *_ = read(html).iter("img")
    assert pixels(photo).shape == (300, 400, 3) and np.abs(pixels(photo).mean((0, 1)) - (200, 30, 30)).max() < 3


def test_a_large_photo_is_shrunk() -> None:
    photo, *_ = read(faces_html(np.zeros((1000, 3000, 3), np.uint8), [face()], [CROP])).iter("img")
    assert pixels(photo).shape == (333, 1000, 3)


def test_the_bars_of_a_distribution_have_the_height_of_its_probabilities() -> None:
    distribution = np.zeros(101)
    distribution[[24, 25, 30]] = 0.2, 0.5, 0.3
    html = faces_html(PHOTO, [face(distribution=distribution)], [CROP])
    bars = {float(bar.attrib["x"]): bar for bar in read(html).iter("rect")}
    assert sorted(bars) == pytest.approx([300 * year / 101 for year in (24, 25, 30)], abs=0.01)
    heights = [float(bars[x].attrib["height"]) for x in sorted(bars)]
    assert np.divide(heights, heights[1]) == pytest.approx([0.4, 1, 0.6], abs=1e-3)
    assert [bars[x].attrib["class"] for x in sorted(bars)] == ["bar", "inside", "inside"]
    [chart] = read(html).iter("svg")
    assert chart.attrib["role"] == "img" and "most probable 25 years, half of it from 25 to 30" in chart.attrib["aria-label"]
    assert [text.text for text in chart.iter("text")] == ["20", "40", "60", "80", "years"]


def test_maps_lie_over_the_crop() -> None:
    maps = {"age": np.zeros((1, 16, 16)), "gender": np.ones((1, 16, 16))}
    _, crop, age, gender = read(faces_html(PHOTO, [face()], [CROP], maps)).iter("img")
    assert pixels(crop).mean() == pytest.approx(90, abs=2)
    assert [round(value) for value in pixels(age).mean((0, 1))] == pytest.approx([79, 45, 87], abs=4)  # half of viridis at 0
    assert pixels(gender)[8, 8, 1] > pixels(age)[8, 8, 1] + 80
    assert "bright: raises the estimated age" in age.attrib["alt"] and "Face 1" in age.attrib["alt"]


def test_what_a_model_does_not_estimate_is_left_out() -> None:
    html = faces_html(PHOTO, [face(age=None, interval=None, probability_female=None, box=None)], [CROP])
    assert "years" not in texts(html) and "female" not in texts(html) and not list(read(html).iter("span"))
    assert "not calibrated" in texts(faces_html(PHOTO, [face(interval=None)], [CROP]))


def test_many_faces_are_counted_and_the_largest_shown() -> None:
    html = faces_html(PHOTO, [face()] * 30, [CROP] * 30)
    assert f"30 faces. The {FACES} largest are shown." in texts(html)
    assert len(list(read(html).iter("article"))) == len(list(read(html).iter("span"))) == FACES


def test_a_reason_is_escaped() -> None:
    assert read(reason_html("<script>alert(1)</script> \n")).find("p").text == (  # type: ignore[union-attr]
        "No estimate: <script>alert(1)</script> \\n."
    )
