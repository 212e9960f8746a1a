"""Measures the recall and the matches of each threshold of ``data.near_copies``.

    python scripts/measure_near_copies.py FOLDER_OF_FACES
    python scripts/measure_near_copies.py FOLDER_OF_FACES --sheets FOLDER --from 36 --to 52

Recall: faces of the folder are copied by re-encoding (JPEG quality 60, 75, 90) and by resizing (to 0.5, 0.7 and 0.9 of the
side with quality 90; to 0.5 with quality 60). A copy is found if its hash differs from that of the original in at most
``threshold`` bits.

Matches: pairs of faces in the folder within the threshold that are not byte-identical. Whether they are copies or different
people must be judged by eye: ``--sheets`` writes images with the pairs side by side and their distance.

Results on 19,326 faces of UTKFace, after inspection of all pairs from 30 to 52 bits: with 12 bits or more, all copies are
found. UTKFace itself has hundreds of near-identical copies (realigned, blurred, marked); up to 40 bits all pairs are such
copies. The first pair of different people is at 42 bits. There are 11 such pairs up to 48 bits, and at 50 bits they are half
of all pairs. Their number grows with the square of the number of faces, so the default is 32.
"""

import argparse
import time
from pathlib import Path

import cv2
import numpy as np

from agegender.data.near_copies import MAX_THRESHOLD, near_pairs, perceptual_hash
from agegender.data.scan import scan
from agegender.sources import images
from agegender.sources.faces import FaceTable
from agegender.sources.listing import IMAGE_SUFFIXES, list_files

THRESHOLDS = (0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56)
COPIES = {
    "q60": (1.0, 60),
    "q75": (1.0, 75),
    "q90": (1.0, 90),
    "x0.5": (0.5, 90),
    "x0.7": (0.7, 90),
    "x0.9": (0.9, 90),
    "x0.5 q60": (0.5, 60),
}


def faces(root: Path) -> FaceTable:
    files = [file for file in list_files(root, "faces")[0] if Path(file).suffix.lower() in IMAGE_SUFFIXES]
    return FaceTable.of("faces", root, {"path": files})


def bits(hashes: list[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(hashes), dtype=np.uint8).reshape(len(hashes), -1)


def copied(image: np.ndarray, scale: float, quality: int) -> np.ndarray:
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    encoded = cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB)


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.bitwise_count(a ^ b).sum(axis=1, dtype=np.int64)


def sheet(files: list[Path], pairs: np.ndarray, distance: np.ndarray, columns: int = 6, side: int = 100) -> np.ndarray:
    cells = []
    for (i, j), differing in zip(pairs, distance, strict=True):
        cell = np.full((side, 2 * side + 6, 3), 255, dtype=np.uint8)
        cell[:, : 2 * side] = np.hstack([cv2.resize(images.read(files[k]), (side, side)) for k in (i, j)])
        cells.append(cv2.putText(cell, str(differing), (2, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 0), 1))
    cells += [np.full_like(cells[0], 255)] * (-len(cells) % columns)
    return np.vstack([np.hstack(cells[start : start + columns]) for start in range(0, len(cells), columns)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path)
    parser.add_argument("--copies", type=int, default=500, help="number of faces to copy in each way")
    parser.add_argument("--sheets", type=Path, help="folder for images of pairs")
    parser.add_argument("--from", dest="low", type=int, default=36, help="smallest distance of the pairs in the images")
    parser.add_argument("--to", dest="high", type=int, default=52, help="largest distance of the pairs in the images")
    arguments = parser.parse_args()

    table = scan(faces(arguments.root), None, progress=True)
    files = table.files()
    hashes = bits([bytes.fromhex(one) for one in table.frame["phash"]])
    chosen = np.random.default_rng(0).choice(len(files), min(arguments.copies, len(files)), replace=False)
    originals = [images.read(files[i]) for i in chosen]
    found = {
        name: distances(hashes[chosen], bits([perceptual_hash(copied(image, *how)) for image in originals]))
        for name, how in COPIES.items()
    }

    unique = np.flatnonzero(~table.frame.duplicated("sha256"))
    began = time.perf_counter()
    pairs = unique[near_pairs(hashes[unique], MAX_THRESHOLD)]
    seconds = time.perf_counter() - began
    distance = distances(hashes[pairs[:, 0]], hashes[pairs[:, 1]])

    print(f"{len(files)} faces, {len(unique)} different files; {len(chosen)} faces copied in each way")
    print(f"{len(pairs)} pairs within {MAX_THRESHOLD} bits, found in {seconds:.1f} s\n")
    print("bits  " + "".join(f"{name:>9}" for name in found) + f"{'pairs':>9}")
    for threshold in THRESHOLDS:
        recall = "".join(f"{(one <= threshold).mean():9.1%}" for one in found.values())
        print(f"{threshold:4}  {recall}{(distance <= threshold).sum():9}")
    print(" max  " + "".join(f"{one.max():9}" for one in found.values()))

    if arguments.sheets:
        arguments.sheets.mkdir(parents=True, exist_ok=True)
        shown = np.flatnonzero((distance >= arguments.low) & (distance <= arguments.high))
        shown = shown[np.argsort(distance[shown], kind="stable")]
        for start in range(0, len(shown), 60):
            some = shown[start : start + 60]
            file = arguments.sheets / f"pairs_{distance[some[0]]}_{start // 60:03}.png"
            cv2.imwrite(str(file), sheet(files, pairs[some], distance[some])[..., ::-1])
            print(file)


if __name__ == "__main__":
    main()
