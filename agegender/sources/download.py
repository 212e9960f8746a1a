"""Downloads datasets from the Hugging Face hub, only with `data.download=true`.

Repository, revision and files are fixed, so every download gives the same faces. Downloaded files stay in a hidden folder
beside the folder of the dataset until the dataset is complete. An interrupted download continues with the missing files. The
folder of the dataset appears only when it is complete.
"""

import csv
import fcntl
import gzip
import shutil
import sys
import tarfile
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from agegender.errors import AgeGenderError
from agegender.escaping import one_line
from agegender.reachable import unreachable

# https://huggingface.co/datasets/HuggingFaceM4/FairFace, CC BY 4.0. Its rows have the order of the official label files.
FAIRFACE, FAIRFACE_REVISION = "HuggingFaceM4/FairFace", "54d573cdb8b5af490ba8da9da2799628f6e5c496"
FAIRFACE_FILES = {
    0.25: {
        "train": (
            "0.25/train-00000-of-00002-d405faba4f4b9b85.parquet",
            "0.25/train-00001-of-00002-dd3cb68164727418.parquet",
        ),
        "val": ("0.25/validation-00000-of-00001-951dbd63c8724ee1.parquet",),
    },
    1.25: {
        "train": (
            "1.25/train-00000-of-00004-e715178553977907.parquet",
            "1.25/train-00001-of-00004-f38b58e3987f3fbf.parquet",
            "1.25/train-00002-of-00004-239e931aa9c3b3e6.parquet",
            "1.25/train-00003-of-00004-847c279691a19548.parquet",
        ),
        "val": ("1.25/validation-00000-of-00001-09e3e67bb00ab4ec.parquet",),
    },
}
FAIRFACE_FACES = {"train": 86_744, "val": 10_954}
# Names of the class numbers, from the dataset card.
FAIRFACE_CLASSES = {
    "age": ("0-2", "3-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "more than 70"),
    "gender": ("Male", "Female"),
    "race": ("East Asian", "Indian", "Black", "White", "Middle Eastern", "Latino_Hispanic", "Southeast Asian"),
}

# https://huggingface.co/datasets/py97/UTKFace-Cropped: the authors' archive of aligned and cropped faces, original file names.
UTKFACE, UTKFACE_REVISION = "py97/UTKFace-Cropped", "e80f21fb21fa3631380c3cb634b79be3ac2f4cba"
UTKFACE_FILES = ("UTKFace.tar.gz",)
UTKFACE_FACES = 23_708


def download_fairface(root: Path, margin: float, notice: str) -> None:
    """Download FairFace in the layout of its authors: two label files and the images in `train/` and `val/`.

    Args:
        root: Folder of the dataset. If it contains anything, nothing is downloaded.
        margin: Margin around the face in the images, relative to the size of the face: 0.25 (0.6 GB) or 1.25 (2.1 GB).
        notice: Licence, printed before the download.

    Raises:
        AgeGenderError: The hub cannot be reached, a file cannot be downloaded or written, or its content is unexpected.
    """
    splits = FAIRFACE_FILES[margin]

    def unpack(files: Sequence[Path], folder: Path) -> None:
        remaining = iter(files)
        for split, names in splits.items():
            _unpack_fairface(split, [next(remaining) for _ in names], folder)

    wanted = [name for names in splits.values() for name in names]
    _download(root, FAIRFACE, FAIRFACE_REVISION, wanted, unpack, notice)


def download_utkface(root: Path, notice: str) -> None:
    """Download the aligned and cropped faces of UTKFace (0.1 GB), with their original file names.

    Args:
        root: Folder of the dataset. If it contains anything, nothing is downloaded.
        notice: Licence, printed before the download.

    Raises:
        AgeGenderError: The hub cannot be reached, a file cannot be downloaded or written, or its content is unexpected.
    """
    _download(root, UTKFACE, UTKFACE_REVISION, UTKFACE_FILES, _unpack_utkface, notice)


def _download(
    root: Path,
    repository: str,
    revision: str,
    names: Sequence[str],
    unpack: Callable[[Sequence[Path], Path], None],
    notice: str,
) -> None:
    """Download files and unpack them to the root. The root appears only when complete. Other processes wait for the first."""
    root = root.absolute()
    downloaded, unpacked = (root.parent / f".{root.name}.{stage}" for stage in ("download", "partial"))
    try:
        if _has_content(root):
            return
        root.parent.mkdir(parents=True, exist_ok=True)
        with (root.parent / f".{root.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if _has_content(root):
                return
            print(
                f"{notice}\ndownloading {repository} from the Hugging Face hub to {one_line(root)}", file=sys.stderr, flush=True
            )
            files = _fetch(repository, revision, names, downloaded)
            shutil.rmtree(unpacked, ignore_errors=True)  # left by a killed process
            unpacked.mkdir()
            try:
                unpack(files, unpacked)
                unpacked.rename(root)
            finally:
                shutil.rmtree(unpacked, ignore_errors=True)
            shutil.rmtree(downloaded, ignore_errors=True)
    except OSError as error:
        raise AgeGenderError(f"data.download to {root} failed: {error}") from error


def _has_content(root: Path) -> bool:
    return root.exists() and (not root.is_dir() or any(root.iterdir()))


def _fetch(repository: str, revision: str, names: Sequence[str], folder: Path) -> list[Path]:
    """Download the files that are not in the folder yet, and return all of them."""
    from huggingface_hub import constants, hf_hub_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    fetch = partial(hf_hub_download, repository, repo_type="dataset", revision=revision, local_dir=folder)
    files = []
    for name in names:
        try:
            files.append(Path(fetch(filename=name, local_files_only=True)))
            continue
        except LocalEntryNotFoundError:
            pass
        # Without this check the client of the hub retries for minutes.
        if reason := unreachable(constants.ENDPOINT):
            raise AgeGenderError(f"data.download: the Hugging Face hub cannot be reached ({reason})")
        try:
            files.append(Path(fetch(filename=name)))
        except Exception as error:  # the client raises many types
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise AgeGenderError(
                f"data.download: {name} of {repository} cannot be downloaded: {reason}. Run the same command again to continue"
            ) from error
    return files


def _unpack_fairface(split: str, files: Sequence[Path], folder: Path) -> None:
    """Write the images and the label file of one split from Parquet files of encoded images and class numbers."""
    import pyarrow
    import pyarrow.parquet

    try:
        opened = [pyarrow.parquet.ParquetFile(file) for file in files]
        _require(sum(one.metadata.num_rows for one in opened), FAIRFACE_FACES[split], f"rows of FairFace {split}", files)
        (folder / split).mkdir()
        with (folder / f"fairface_label_{split}.csv").open("w", newline="", encoding="utf-8") as labels:
            lines = csv.writer(labels, lineterminator="\n")
            lines.writerow(["file", *FAIRFACE_CLASSES, "service_test"])
            batches = (batch for one in opened for batch in one.iter_batches(256))
            rows = (row for batch in batches for row in batch.to_pylist())
            progress = tqdm(rows, f"writing {split}", FAIRFACE_FACES[split], unit="face", disable=None)
            for number, row in enumerate(progress, start=1):
                name = f"{split}/{number}.jpg"
                (folder / name).write_bytes(row["image"]["bytes"])
                # -1 is the unknown class on the hub; as an index of the tuple it would mean the last class.
                classes = [dict(enumerate(known))[row[column]] for column, known in FAIRFACE_CLASSES.items()]
                lines.writerow([name, *classes, row["service_test"]])
    except (pyarrow.ArrowException, KeyError, TypeError) as error:
        raise _unexpected(f"unexpected columns or classes for FairFace: {error!r}", files) from error


def _unpack_utkface(files: Sequence[Path], folder: Path) -> None:
    """Write the images of the archive into one folder."""
    names = set()
    try:
        with tarfile.open(files[0], "r:gz") as archive:
            for member in tqdm(archive, "writing", UTKFACE_FACES, unit="face", disable=None):
                name = PurePosixPath(member.name).name
                content = archive.extractfile(member)  # None for folders and links
                if content is None or name.startswith("._"):  # metadata files of macOS
                    continue
                (folder / name).write_bytes(content.read())
                names.add(name)
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise _unexpected(f"the archive is incomplete or damaged: {error}", files) from error
    _require(len(names), UTKFACE_FACES, "files of UTKFace", files)


def _require(found: int, expected: int, what: str, files: Sequence[Path]) -> None:
    if found != expected:
        raise _unexpected(f"{found:,} {what}, expected {expected:,}", files)


def _unexpected(what: str, files: Sequence[Path]) -> AgeGenderError:
    names = ", ".join(str(file) for file in files)
    return AgeGenderError(f"data.download: {what} ({names}). Delete damaged files to download them again")
