"""Faces of images: whole images, and boxes in them."""

from agegender.sources.box import box_text, face_name, parse_box


class BoxedFaces:
    """The faces of some images: each whole image, and boxes that are added.

    Args:
        images: The files.

    Attributes:
        images: The files.
        files: The file of each face.
        boxes: The box of each face; empty for a whole image.
        boxed: Images that have faces in boxes.
    """

    def __init__(self, images: list[str]) -> None:
        self.images = images
        self.files, self.boxes = list(images), [""] * len(images)
        self.boxed: set[int] = set()
        self._known: dict[tuple[int, str], int] = {}

    def __len__(self) -> int:
        """Number of faces, whole images included."""
        return len(self.files)

    def name(self, face: int) -> str:
        """Name of a face: `FILE`, or `FILE#BOX`."""
        return face_name(self.files[face], self.boxes[face])

    def names(self) -> list[str]:
        """Name of each face."""
        return [self.name(face) for face in range(len(self))]

    def in_box(self, image: int, text: str) -> int:
        """The face in a box of an image, which is added if it is new; the whole image for an empty box.

        Args:
            image: Index of the file.
            text: Four or eight numbers, as `parse_box` reads them.

        Raises:
            ValueError: It is no box.
        """
        if not text.strip():
            return image
        parse_box(text)
        box = box_text(*map(float, text.split()))
        parse_box(box)  # rounded, it may have no area
        self.boxed.add(image)
        face = self._known.setdefault((image, box), len(self))
        if face == len(self):
            self.files.append(self.images[image])
            self.boxes.append(box)
        return face
