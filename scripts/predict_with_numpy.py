"""Predicts cropped faces with a bundle of agegender.export; needs NumPy, OpenCV and ONNX Runtime, not agegender.

    python scripts/predict_with_numpy.py BUNDLE_DIR face.jpg other.png

The images are square crops like the training faces. Prints a JSON object for each. Gender is binary and means appearance; an
estimate is not a person's age, gender or identity.
"""

import json
import os
import sys
from pathlib import Path

import cv2
import numpy as np

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # ONNX Runtime 1.29 and later send usage data to Microsoft otherwise
import onnxruntime


def main(bundle: Path, *images: str) -> None:
    preprocess = json.loads((bundle / "preprocess.json").read_text())
    calibration = bundle / "calibration.json"
    temperature = json.loads(calibration.read_text())["gender"].get("temperature", 1.0) if calibration.exists() else 1.0
    session = onnxruntime.InferenceSession(bundle / "model.onnx", providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    faces = np.stack([face(image, preprocess["image_size"]) for image in images])
    outputs = dict(zip(names, session.run(names, {"image": faces}), strict=True))  # uint8; the model normalises
    if "probability_female" in outputs:
        probability = outputs["probability_female"].clip(1e-7, 1 - 1e-7).astype(float)
        outputs["probability_female"] = 1 / (1 + (1 / probability - 1) ** (1 / temperature))  # calibrated
    for number, image in enumerate(images):
        values = {name: float(outputs[name][number]) for name in ("age", "probability_female") if name in outputs}
        print(json.dumps({"path": image, **values}))


def face(path: str, size: int) -> np.ndarray:
    """RGB, uint8 [size, size, 3]."""
    image = cv2.imread(path, cv2.IMREAD_COLOR_RGB)
    if image is None or image.shape[0] != image.shape[1]:
        raise SystemExit(f"{path}: not a square image")
    shrinks = len(image) >= size
    return cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
