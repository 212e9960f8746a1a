"""Finds the faces that the names in a file refer to."""

from pathlib import PurePosixPath

from agegender.sources.faces import FaceTable
from agegender.sources.listing import path_in_root


class NamedFaces:
    """Finds faces by name.

    A name refers to a face if it equals ``dataset/path`` of the face or its last components, such as ``path`` or the file
    name alone. An absolute path refers to the face in that file, if it is inside the folder of a dataset.

    Args:
        table: The faces.
    """

    def __init__(self, table: FaceTable) -> None:
        self._names = [f"/{name}" for name in table.names()]
        self._roots = table.roots
        self._by_file: dict[str, list[int]] = {}
        for row, name in enumerate(self._names):
            self._by_file.setdefault(PurePosixPath(name).name, []).append(row)

    def rows(self, name: str) -> list[int]:
        """Rows of the faces that a name refers to: none, one, or several if the name is ambiguous."""
        ends = [f"/{name}"]
        if name.startswith("/"):
            inside = ((dataset, path_in_root(name, root)) for dataset, root in self._roots.items())
            ends = [f"/{dataset}/{path}" for dataset, path in inside if path is not None]
        candidates = self._by_file.get(PurePosixPath(name).name, [])
        return [row for row in candidates if any(self._names[row].endswith(end) for end in ends)]
