"""A plot for a page and for files: PNG, SVG, and SVG with a text for each mark that a reader points at."""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from agegender.escaping import one_line
from agegender.whole_files import whole

# Colours that people with any kind of colour blindness tell apart (Okabe and Ito, 2008).
BLUE, ORANGE, GREEN, RED, PURPLE, SKY, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#6b7280"
CYCLE = (BLUE, RED, GREEN, ORANGE, PURPLE, SKY, "#000000")
STYLES = ("-", "--", ":", "-.")  # lines differ in more than colour
WIDTH = 4.6  # inches; the text is readable at the width of a phone

SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"
HREF = f"{{{XLINK}}}href"
REFERENCE = re.compile(r"#(?=[\w-]+\)?$)")  # "#id" and "url(#id)"
LISTED = 130  # texts of marks that are also listed below a plot

ElementTree.register_namespace("", SVG)
ElementTree.register_namespace("xlink", XLINK)


def pixels(figure: Figure) -> NDArray[np.uint8]:
    """A drawn figure as an image, uint8 [H, W, 3]."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


@dataclass
class Chart:
    """A plot.

    Args:
        name: Of its files, and of its element in a page.
        title: Shown above it.
        summary: One or two sentences that say what it shows, for people who cannot see it.
        figure: With nothing but the plot; the title is outside.
        marks: Texts of marks by the id that ``mark`` gave them.
    """

    name: str
    title: str
    summary: str
    figure: Figure
    marks: dict[str, str] = field(default_factory=dict)

    @classmethod
    def new(cls, name: str, title: str, height: float = 3.4, width: float = WIDTH) -> tuple["Chart", Any]:
        """A plot and its empty axes; ``summary`` is still to be set."""
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.subplots()
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="#e5e7eb", linewidth=0.6)
        axes.set_axisbelow(True)
        return cls(name, title, "", figure), axes

    def mark(self, artist: Artist, text: str) -> None:
        """Gives a point or an area the text that a reader sees when pointing at it."""
        name = f"mark{len(self.marks)}"
        artist.set_gid(name)
        self.marks[name] = text

    def points(self, axes: Any, x: Any, y: Any, text: Callable[[int], str], colour: str, style: str = "-", **more: Any) -> None:
        """A line through points, each with a text.

        Args:
            axes: Of this plot.
            x: Positions [N].
            y: Positions [N].
            text: The text of the point at an index.
            colour: Of line and points.
            style: Of the line.
            more: Further arguments of ``Axes.plot`` for the line.
        """
        axes.plot(x, y, style, color=colour, linewidth=1.6, **more)
        for index, (one, other) in enumerate(zip(x, y, strict=True)):
            (point,) = axes.plot([one], [other], "o", color=colour, markersize=3.5)
            self.mark(point, text(index))

    @property
    def listed(self) -> list[str]:
        """The texts of the marks, to be listed as words; empty if there are too many to read."""
        return list(self.marks.values()) if len(self.marks) <= LISTED else []

    def write(self, folder: Path) -> None:
        """Writes ``NAME.png`` and ``NAME.svg``. The same plot gives the same bytes."""
        folder.mkdir(parents=True, exist_ok=True)
        with whole(folder / f"{self.name}.png") as file:
            self.figure.savefig(file, dpi=150)
        with whole(folder / f"{self.name}.svg") as file:
            file.write_bytes(self._svg)

    @cached_property
    def _svg(self) -> bytes:
        settings: dict[Any, Any] = {
            "svg.fonttype": "none",  # text stays text: smaller, and readable by programs
            "svg.hashsalt": self.name,
            "font.family": "sans-serif",
            "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],
        }
        buffer = io.BytesIO()
        with matplotlib.rc_context(settings):
            self.figure.savefig(buffer, format="svg", metadata={"Date": None})
        return buffer.getvalue()

    def inline(self) -> str:
        """An ``svg`` element for an HTML page. Its ids begin with the name, so that several fit on one page."""
        root = ElementTree.fromstring(self._svg)
        for unwanted in root.findall(f"{{{SVG}}}metadata"):
            root.remove(unwanted)
        for name in ("width", "height", "version"):
            root.attrib.pop(name, None)
        for element in root.iter():
            text = self.marks.get(element.get("id", ""))
            self._prefix(element)
            if text is not None:
                element.set("data-text", one_line(text))
        root.attrib |= {"role": "img", "aria-label": f"{self.title}. {self.summary}"}
        if self.marks:
            root.set("tabindex", "0")
        return ElementTree.tostring(root, encoding="unicode")

    def _prefix(self, element: ElementTree.Element) -> None:
        """Prefixes the id of an element and its references to others; removes ids that nothing can refer to."""
        for key in ("clip-path", HREF):
            if key in element.attrib:
                element.set(key, REFERENCE.sub(f"#{self.name}-", element.attrib[key]))
        if "id" in element.attrib:
            element.set("id", f"{self.name}-{element.attrib['id']}")
