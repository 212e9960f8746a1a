"""Names of files and cells of label files that nobody expects: used, or refused in one line, and shown as they are spelled."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from agegender.errors import AgeGenderError
from agegender.sources.folder import FolderFaces
from agegender.sources.tables import Table

EXAMPLES = 300
NAMES = [
    "=HYPERLINK(1).jpg", "+1.jpg", "-rf.jpg", "@x.jpg", "a\nerror: forged.jpg", "\x1b[2J\x1b]0;x\x07.jpg", "\u202egpj.exe.jpg",
    "$(touch x).jpg", "`id`.jpg", "';--.jpg", '".jpg', "a,b.jpg", "<script>x.jpg", "![x](y).jpg", "|.jpg", "%s%n.jpg",
    "{0}.jpg", "${nope}.jpg", "a b.jpg", "a\tb.jpg", "a\rb.jpg", "CON.jpg", "é.jpg", "e\u0301.jpg", "漢字.jpg", "\u200b.jpg",
    "\U0001f600.jpg", "x" * 240 + ".jpg", ".jpg", "..jpg", "#.jpg", "~.jpg", "*.jpg", "?.jpg", "$x$.jpg", "_x_.jpg",
]  # fmt: skip
CELLS = st.one_of(
    st.text(max_size=30),
    st.sampled_from([
        "", "nan", "inf", "-1", "1e400", "12,75", "12-7", "0x10", "\uff11\uff12", "12 years", "None", "male;", "2", "=1+1",
        "../../etc/passwd", "/etc/passwd", "C:\\x", "\0", "a\nb", '"', "'", "x" * 200_000, "\ufeff", "\u0663", "1_000", "+5",
        "116-0", "1.5",
    ]),
    st.floats().map(str),
    st.integers().map(str),
)  # fmt: skip


def jpeg(seed: int) -> bytes:
    file = io.BytesIO()
    Image.linear_gradient("L").rotate(9 * seed).resize((24, 24)).convert("RGB").point(lambda v: (v * (seed + 3)) % 256).save(
        file, "JPEG"
    )
    return file.getvalue()


def write(file: Path, rows: list[list[str]]) -> None:
    with file.open("w", newline="", encoding="utf-8", errors="surrogatepass") as opened:
        csv.writer(opened).writerows(rows)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("good")
    for number in range(4):
        (root / f"{number}.jpg").write_bytes(jpeg(number))
    return root


@settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(column=st.integers(0, 2), cell=CELLS, raw=st.booleans())
def test_a_cell_of_a_label_file_is_read_or_refused_by_name(good: Path, column: int, cell: str, raw: bool) -> None:
    rows = [["path", "age", "gender"], *([f"{number}.jpg", "30", "male"] for number in range(4))]
    rows[2][column] = cell
    try:
        if raw:  # without quotes
            (good / "faces.csv").write_text("\n".join(",".join(row) for row in rows), encoding="utf-8", errors="surrogatepass")
        else:
            write(good / "faces.csv", rows)
        table = FolderFaces(good, tables={"csv": Table("faces.csv")}, values={"gender": {"male": "male"}}).read()
    except AgeGenderError as error:
        assert "faces.csv" in str(error) or str(good) in str(error)
        assert len(error.lines) == 1 and len(str(error)) < 4000 and str(error).isprintable()
    else:
        assert 1 <= len(table) <= 4


@pytest.fixture(scope="session")
def named(world: Any) -> Path:
    """A folder of faces with these names, and a file with their labels."""
    root = world.path / "named"
    root.mkdir()
    rows = [["path", "age", "gender"]]
    for number, name in enumerate([*NAMES, *(f"{number}.jpg" for number in range(12))]):
        (root / name).write_bytes(jpeg(number))
        rows.append([name.strip(), str(20 + number), ("m", "f")[number % 2]])
    write(root / "faces.csv", rows)
    (root / "\x1b[2Jnot a face\n=1.txt").touch()
    return root


def test_names_are_shown_as_they_are_spelled_in_every_output(world: Any, named: Path) -> None:
    data = ("data=folder", f"data.root={named}", "data.csv=faces.csv", "data.missing=skip")
    listed, out = world.runs / "named.csv", world.runs / "named"
    name = '"=1 \\x1b[2J <script> [x](y) $x"'.replace("\\x1b", "\x1b")
    run = world.runs / "named run"
    results = [
        world("agegender.data", *data, f"skipped={listed}"),
        world.train(*data[1:], f"name={name}", f"hydra.run.dir='{run}'", data=data[0]),
    ]
    results.append(world("agegender.evaluate", f"checkpoint='{run}'"))
    results.append(world("agegender.compare", str(run), "--out", str(out)))
    for result in results:
        result.must_be_decent()
        assert result.status == 0, result.output
        assert "\x1b" not in result.output and "\u202e" not in result.output and "\nerror: forged" not in result.output
    reports = [listed, run / "log.txt", *out.glob("*.md"), *out.glob("*.csv"), *out.glob("*.html")]
    assert len(reports) >= 5
    for report in reports:
        text = report.read_text(encoding="utf-8")
        assert "\x1b" not in text and "\u202e" not in text, report
        if report.suffix == ".csv":
            cells = [cell for row in csv.reader(io.StringIO(text, newline="")) for cell in row]
            assert not [cell for cell in cells if cell.startswith(("=", "@"))], report
        if report.suffix in (".md", ".html"):
            assert "<script> [x]" not in text, report
