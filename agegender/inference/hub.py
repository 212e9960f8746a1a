"""Bundles on the Hugging Face Hub: ``hf://USER/NAME@REVISION``, or on another server of the same protocol (``HF_ENDPOINT``)."""

import hashlib
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from agegender.errors import AgeGenderError
from agegender.inference.bundle import CARD, CHECKSUMS, Bundle, listed_files

SCHEME = "hf://"
_ADDRESS = re.compile(r"hf://([\w.-]+/[\w.-]+)(?:@([\w./-]+))?(?:#([0-9a-f]{64}))?")
_HEADER = "---\nlicense: other\nlicense_name: see-licenses-md\nlicense_link: licenses.md\nlibrary_name: onnx\n---\n\n"
_UNTESTED = (
    "This model was not tested. Gender is binary and means appearance; an estimate is not a person's age, gender or identity.\n"
)


@dataclass(frozen=True)
class HubAddress:
    """Address of a bundle.

    Attributes:
        repo: ``USER/NAME``.
        revision: Commit, tag or branch; None if the address has none. Only a commit never changes.
        sha256: Of ``checksums.txt``, and so of every file of the bundle; None if the address has none.
    """

    repo: str
    revision: str | None = None
    sha256: str | None = None

    @classmethod
    def of(cls, text: str) -> Self:
        """Reads ``hf://USER/NAME``, with ``@REVISION`` and ``#SHA256`` of ``checksums.txt`` or without.

        Raises:
            AgeGenderError: The text is no such address.
        """
        match = _ADDRESS.fullmatch(text)
        if match is None:
            raise AgeGenderError(f"{text}: expected hf://USER/NAME@REVISION, or that and #SHA256 of {CHECKSUMS}")
        return cls(*match.groups())

    def __str__(self) -> str:
        return (
            f"{SCHEME}{self.repo}" + (f"@{self.revision}" if self.revision else "") + (f"#{self.sha256}" if self.sha256 else "")
        )


def is_remote(path: str | Path) -> bool:
    """Whether a model is named by its address on the hub."""
    return str(path).startswith(SCHEME)


def fetch(text: str) -> Path:
    """Downloads a bundle once; later calls with the same address need no network.

    Args:
        text: ``hf://USER/NAME@REVISION``. With ``#SHA256`` of ``checksums.txt``, other files than those are refused.

    Returns:
        The folder, below ``$XDG_CACHE_HOME/agegender`` or ``~/.cache/agegender``. `Bundle` verifies the checksums of its files.

    Raises:
        AgeGenderError: The address has no revision, the server cannot be reached or has no such bundle, or its checksums are
            not the expected ones.
    """
    address = HubAddress.of(text)
    if address.revision is None:
        raise AgeGenderError(f"{text}: name the revision too: {text}@REVISION, best a commit, which never changes")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "agegender" / "hub"
    folder = cache / re.sub("[/@]", "--", f"{address.repo}@{address.revision}")
    if not folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as partial:
            downloaded = Path(partial) / "bundle"
            _download(address, downloaded)
            _require(address, downloaded)
            Bundle(downloaded)  # verifies the checksums before the folder gets its name
            shutil.rmtree(downloaded / ".cache", ignore_errors=True)  # notes of huggingface_hub
            downloaded.replace(folder)
    _require(address, folder)
    return folder


def _require(address: HubAddress, folder: Path) -> None:
    found = hashlib.sha256((folder / CHECKSUMS).read_bytes()).hexdigest()
    if address.sha256 not in (None, found):
        raise AgeGenderError(f"{address}: refused: the SHA-256 of its {CHECKSUMS} is {found}")


def _download(address: HubAddress, folder: Path) -> None:
    hub = _library()

    def one(name: str) -> Path:
        try:
            return Path(
                hub.hf_hub_download(address.repo, name, revision=address.revision, local_dir=folder, endpoint=_endpoint())
            )
        except Exception as error:  # the types depend on the version of huggingface_hub and on its HTTP library
            raise AgeGenderError(f"{address}: {name} cannot be downloaded: {_reason(error)}") from error

    for name in listed_files(one(CHECKSUMS)):
        one(name)


def push(folder: Path, text: str) -> HubAddress:
    """Uploads a bundle, with its model card as the page of the repository; makes the repository if there is none.

    Args:
        folder: A bundle.
        text: ``hf://USER/NAME``.

    Returns:
        The address of what was uploaded, with its commit and checksum.

    Raises:
        AgeGenderError: The address has a revision, the folder is no bundle, or the upload is refused.
    """
    address = HubAddress.of(text)
    if address.revision or address.sha256:
        raise AgeGenderError(f"{text}: to push, name hf://USER/NAME; the server chooses the revision")
    names = listed_files(folder / CHECKSUMS)
    Bundle(folder)
    hub = _library()
    card = (folder / CARD).read_text(encoding="utf-8") if CARD in names else _UNTESTED
    files = [hub.CommitOperationAdd(name, str(folder / name)) for name in [*names, CHECKSUMS]]
    files.append(hub.CommitOperationAdd("README.md", (_HEADER + card).encode()))
    try:
        api = hub.HfApi(endpoint=_endpoint())
        api.create_repo(address.repo, exist_ok=True)
        commit = api.create_commit(address.repo, files, commit_message="Bundle of agegender")
    except Exception as error:  # as in _download
        raise AgeGenderError(f"{text}: cannot be pushed: {_reason(error)}") from error
    return HubAddress(address.repo, commit.oid, hashlib.sha256((folder / CHECKSUMS).read_bytes()).hexdigest())


def _library() -> Any:
    try:
        import huggingface_hub
    except ImportError as error:
        raise AgeGenderError(f"{SCHEME}... needs one more package: pip install huggingface_hub") from error
    return huggingface_hub


def _endpoint() -> str | None:
    return os.environ.get("HF_ENDPOINT") or None


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
