"""README and docs: commands compose or run, examples work, outputs are real, links lead somewhere, nothing is missing."""

import contextlib
import csv
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from agegender.configuration.command import compose
from agegender.configuration.evaluation import validate_evaluation
from agegender.configuration.schema import validate, validate_faces

ROOT = Path(__file__).resolve().parents[1]
PAGES = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8")
         for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))}  # fmt: skip
EXTEND = "docs/extend.md"
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"(?:python|torchrun .*) -m agegender\.(\w+)\b *(.*)")
CONFIGURATIONS = {"train": "train", "evaluate": "evaluate", "data": "faces"}
# What a test cannot have: these commands are composed and validated, all others are run.
ABSENT = re.compile(
    r"experiment=|backbone[.=]|devices=|trainer=gpu|launcher=|sweeper=|download=|logger=wandb|compile=|split=file|"
    r"data=(fairface|mixed|appa_real|adience)\b|folds=|across="
)
SMALL = ["image_size=16", "backbone.widths=[4,8]", "loader.batch_size=8"]
FEW = "data.sources.toyfaces.n=60"


class Command(NamedTuple):
    """A command as a page shows it, and the lines shown as its output."""

    page: str
    name: str
    arguments: tuple[str, ...]
    output: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join([self.page, self.name, *self.arguments])


def code_blocks(text: str) -> Iterator[str]:
    """Fenced blocks without a language, blocks indented by four spaces, and commands with arguments inside a line."""
    yield from (code for language, code in FENCED.findall(text) if not language)
    text = FENCED.sub("", text)
    yield from (re.sub("^    ", "", block, flags=re.M) for block in re.findall(r"(?:^    .*\n)+", text, re.M))
    yield from re.findall(r"`(python -m [^`\s]+ [^`\n]+)`", text)


def commands(page: str) -> Iterator[Command]:
    for block in code_blocks(PAGES[page]):
        lines = block.replace("\\\n", " ").splitlines()
        for number, line in enumerate(lines):
            if match := COMMAND.search(line):
                arguments = match[2].partition(" #")[0].partition(";")[0].replace("$seed", "1")
                output = lines[number + 1 :] if line.startswith("$ ") else []
                yield Command(page, match[1], tuple(shlex.split(arguments)), tuple(output))


SHOWN = {page: list(dict.fromkeys(commands(page))) for page in PAGES}
EVERY = list({(c.name, c.arguments): c for page in PAGES if page != EXTEND for c in SHOWN[page]}.values())
COMPARED = [c for c in EVERY if c.name == "compare"]
INFERRED = [c for c in EVERY if c.name in ("predict", "export") and not re.search("--detector-weights|VIDEO|hf://", str(c))]
PARSED = [c for c in EVERY if c.name in ("predict", "export", "serve", "demo") and c not in INFERRED]
COMPOSED = [c for c in EVERY if c.name in CONFIGURATIONS and ABSENT.search(str(c))]
RUN = [c for c in EVERY if c.name in CONFIGURATIONS and c not in COMPOSED]


@pytest.fixture(scope="module")
def own_faces(make_utkface: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reader's folder: faces of UTKFace's names and of names of one's own, and lists of them."""
    root = make_utkface(tmp_path_factory.mktemp("own"), 60)
    files = sorted(root.iterdir())
    rows = [(file.name, file.name.split("_")[0], int(file.name.split("_")[1])) for file in files]
    for number, (file, (_, age, gender)) in enumerate(zip(files, rows, strict=True)):
        shutil.copy(file, root / f"{age}_{'mf'[gender]}_{number}.jpg")
    for name, delimiter, header, genders in (("faces", ",", "path,age,gender", "mf"), ("other", ";", "file;age;sex", "01")):
        with (root / f"{name}.csv").open("w", newline="") as file:
            table = csv.writer(file, delimiter=delimiter)
            table.writerow(header.split(delimiter))
            table.writerows((path, age, genders[gender]) for path, age, gender in rows)
    header = "img_name,age,gender,face_x0,face_y0,face_x1,face_y1"
    (root / "boxes.csv").write_text("\n".join([header, *(f"{path},{age},{'MF'[g]},2,2,22,20" for path, age, g in rows)]))
    quad = [2, 2, 22, 2, 22, 20, 2, 20]
    boxed = [{"img_path": path, "age": int(age), "gender": "MF"[g], "folder": i % 10, "id_num": i, "aligned_bbox": quad}
             for i, (path, age, g) in enumerate(rows)]  # fmt: skip
    (root / "AgeDB_aligned.json").write_text(json.dumps(boxed))
    splits = [{"trn": [0, 1, 2, 3, 4, 5], "val": [6, 7], "tst": [8, 9]}] * 5
    (root / "AgeDB.yaml").write_text(json.dumps([{"database": "AgeDB_aligned.json", "split": splits}]))
    (root / "faces.json").write_text(json.dumps([{"file": p, "age": int(age), "sex": "mf"[g]} for p, age, g in rows]))
    return root


@pytest.fixture(scope="module")
def toy_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on drawn faces."""
    folder = tmp_path_factory.mktemp("toy")
    where = [f"data.root={folder / 'faces'}", f"hydra.run.dir={folder / 'run'}"]
    execute("train", *SMALL, FEW, "trainer.max_epochs=2", *where)
    return folder / "run"


def execute(name: str, *arguments: str) -> None:
    """``python -m agegender.NAME ARGUMENTS``, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [name, *arguments])
        import_module(f"agegender.{name}" if name != "data" else "agegender.data.__main__").main()


def filled(command: Command, faces: Path, run: Path, folder: Path) -> list[str]:
    """The arguments with real files in place of the words that stand for a reader's own."""
    names = {
        "PATH": faces,
        "RUN_DIR": run,
        "SWEEP_DIR": run.parent,
        "multirun": run.parent,
        "FILE": folder / "weights.pt",
        "BUNDLE_DIR": folder / "bundle",
        "PHOTO": next(path for path in faces.rglob("*") if path.suffix in (".jpg", ".png")),
        "DIR": folder,
        "N": 1,
    }
    return [re.sub(rf"\b({'|'.join(names)})\b", lambda match: str(names[match[1]]), one) for one in command.arguments]


def small(command: Command, arguments: list[str], folder: Path) -> list[str]:
    """The arguments of a training, made to last a second."""
    if any(one.startswith("resume=") for one in arguments):
        return [re.sub(r"max_epochs=\d+", "max_epochs=3", one) for one in arguments]
    kept = [one for one in next(jobs(arguments)) if not one.startswith(("trainer.max_epochs=", "image_size="))]
    directory = "sweep" if "-m" in arguments else "run"
    few = [] if any(one.startswith("data=") for one in arguments) else [FEW]
    return [*kept, *SMALL, *few, "trainer.max_epochs=1", f"hydra.{directory}.dir={folder / 'out'}"]


def jobs(arguments: list[str]) -> Iterator[list[str]]:
    """Jobs of a sweep in which each value occurs at least once; the arguments themselves where there is no sweep."""
    values = [swept(one) if "-m" in arguments else [] for one in arguments]
    for job in range(max(map(len, values), default=0) or 1):
        yield [f"{text.partition('=')[0]}={own[job % len(own)]}" if own else text
               for text, own in zip(arguments, values, strict=True)]  # fmt: skip


def swept(argument: str) -> list[str]:
    """The values of an override of a sweep; none where it has one value, and for an option."""
    if argument.startswith("-"):
        return []
    [override] = OverridesParser.create().parse_overrides([argument])
    if override.is_interval_sweep():
        return [str(override.value().start), str(override.value().end)]  # type: ignore[union-attr]
    return list(map(str, override.sweep_string_iterator())) if override.is_sweep_override() else []


def check(arguments: list[str], configuration: str) -> None:
    checks = {"train": validate, "evaluate": validate_evaluation, "faces": validate_faces}
    checks[configuration](compose([one for one in arguments if one != "-m"], configuration))


@pytest.mark.parametrize("command", COMPOSED, ids=str)
def test_a_command_that_needs_more_than_a_test_has_is_valid(
    command: Command, own_faces: Path, toy_run: Path, tmp_path: Path
) -> None:
    arguments = filled(command, own_faces, toy_run, tmp_path)
    for job in jobs(arguments):
        check(job, CONFIGURATIONS[command.name])
    if "-m" in arguments:  # Hydra composes a sweep without what it varies first
        compose([one for one in arguments if one != "-m" and not swept(one)], CONFIGURATIONS[command.name])


@pytest.mark.parametrize("command", RUN, ids=str)
def test_a_command_runs(
    command: Command, own_faces: Path, toy_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    run = shutil.copytree(toy_run, tmp_path / "run")
    shutil.copy(own_faces / "faces.csv", tmp_path / "vendor.csv")
    shutil.copy(own_faces / "AgeDB.yaml", tmp_path)
    (tmp_path / "suspicious.csv").write_text(f"path\n{next(own_faces.glob('*.jpg')).name}\n")
    faces = toy_run.parent / "faces" if " root=" in str(command) else own_faces
    arguments = filled(command, faces, run, tmp_path)
    if command.output or {"--help", "--cfg"} & set(arguments):
        with contextlib.suppress(SystemExit):
            execute(command.name, *arguments)
        shown = "".join(capfd.readouterr())
        assert all(line in shown for line in command.output), shown
        assert "backbone" in shown or command.output
        return
    if command.name == "train":
        for job in jobs(arguments):
            check(job, "train")
        arguments = small(command, arguments, tmp_path)  # of a sweep one job, with the first value of each key
    execute(command.name, *arguments)
    if command.name == "train":
        assert list((tmp_path if "resume=" in str(command) else tmp_path / "out").rglob("metrics.json"))
    else:
        assert "split" in capfd.readouterr().out


@pytest.mark.parametrize("command", COMPARED, ids=str)
def test_a_comparison_runs(
    command: Command, own_faces: Path, toy_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    if "evaluation" in str(command):
        execute("evaluate", f"checkpoint={toy_run}")
    execute("compare", *filled(command, own_faces, toy_run, tmp_path))
    assert "MAE" in capfd.readouterr().out
    if "--out" in command.arguments:
        assert (tmp_path / "comparison" / "comparison.md").exists()


@pytest.mark.parametrize("command", INFERRED, ids=str)
def test_a_prediction_or_export_runs(
    command: Command, own_faces: Path, toy_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    import_module(f"agegender.{command.name}").main(filled(command, own_faces, toy_run, tmp_path))
    shown = capfd.readouterr()
    assert "age" in shown.out or "written to" in shown.err
    if "--output" in command.arguments:
        assert len((tmp_path / "predictions.csv").read_text().splitlines()) > 60


@pytest.mark.parametrize("command", PARSED, ids=str)
def test_a_command_that_needs_more_than_a_test_has_is_parsed(command: Command) -> None:
    import_module(f"agegender.{command.name}").parser().parse_args(command.arguments)


def files_of(page: str) -> dict[str, str]:
    """Files that a page shows whole: a line with the path alone, then a fenced block."""
    return {path: code for path, code in re.findall(r"^`([\w/.]+)`\n\n```\w+\n(.*?)^```$", PAGES[page], re.M | re.S)}


def test_the_examples_of_extending_train_in_a_copy_of_the_project(own_faces: Path, tmp_path: Path) -> None:
    for folder in ("agegender", "conf", "hydra_plugins"):
        shutil.copytree(ROOT / folder, tmp_path / "project" / folder, ignore=shutil.ignore_patterns("__pycache__"))
    files = files_of(EXTEND)
    assert {Path(path).parts[0] for path in files} == {"agegender", "conf", "DIR"}
    for path, code in files.items():
        file = tmp_path / ("" if path.startswith("DIR") else "project") / path
        assert not file.exists(), f"{path} is in the project already"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(code)
    [(path, entry)] = re.findall(r"^`([\w/.]+)`, a new entry of `METRICS`\n\n```python\n(.*?)^```$", PAGES[EXTEND], re.M | re.S)
    registry = tmp_path / "project" / path
    registry.write_text(registry.read_text().replace("METRICS = (\n", f"METRICS = (\n{entry.strip()},\n", 1))
    lines = []
    for number, command in enumerate(SHOWN[EXTEND]):
        arguments = filled(command, own_faces, tmp_path, tmp_path / "DIR")
        if "convnext" in str(command):
            check(arguments, "train")
        else:
            more = small(command, arguments, tmp_path / str(number)) if command.name == "train" else arguments
            lines.append([command.name, *(one for one in more if "patch" not in str(command) or "widths" not in one)])
    code = (
        "import json, runpy, sys\n"
        "for name, *arguments in json.loads(sys.argv[1]):\n"
        "    sys.argv = [name, *arguments]\n"
        "    runpy.run_module(f'agegender.{name}', run_name='__main__')\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "project")}
    done = subprocess.run([sys.executable, "-c", code, json.dumps(lines)], cwd=tmp_path, env=environment, text=True,
                          capture_output=True)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    trained = [json.loads(file.read_text()) for file in tmp_path.glob("*/out/metrics.json")]
    assert len(trained) == sum(name == "train" for name, *_ in lines) and all(one["test"]["n"] for one in trained)
    assert all(0 <= one["test"]["age_above_10"] <= 1 for one in trained)


@pytest.mark.parametrize("page", [page for page in PAGES if page != EXTEND])
def test_python_on_a_page_runs(
    page: str, toy_run: Path, own_faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(next(own_faces.glob("*.jpg")), "face.jpg")
    for code in (code for language, code in FENCED.findall(PAGES[page]) if language == "python"):
        exec(code.replace("RUN_DIR", str(toy_run)), {})


def test_the_output_that_the_readme_shows_is_what_a_run_prints(toy_run: Path) -> None:
    [shown] = [block for block in code_blocks(PAGES["README.md"]) if "MAE" in block]
    printed = (toy_run / "log.txt").read_text()
    number = re.compile(r"[\[(]?(n=)?[-+]?\d|[0-9a-f]{12}\b")  # a run of other faces has others
    for line in shown.splitlines():
        words = [r"\S+" if number.match(word) else re.escape(word) for word in line.split()]
        assert re.search(r"\s+".join(words) + "$", printed, re.M), line


def slug(heading: str) -> str:
    """The anchor that code hosts make of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_and_headings(page: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", FENCED.sub("", PAGES[page])):
        if re.match("https?://", target):
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        assert file.exists(), f"{page}: {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", FENCED.sub("", file.read_text(encoding="utf-8")), re.M)
            assert anchor in map(slug, headings), f"{page}: {target}"


def test_the_readme_is_a_front_page() -> None:
    assert len(PAGES["README.md"].splitlines()) <= 150
    linked = set(re.findall(r"\]\((docs/[\w.-]+)\)", PAGES["README.md"]))
    assert {page for page in PAGES if page.startswith("docs/")} <= linked
    pictures = re.findall(r"!\[.+\]\((.+)\)", PAGES["README.md"])
    assert pictures and all((ROOT / picture).stat().st_size < 200_000 for picture in pictures)
    assert not set((ROOT / "docs/pictures").iterdir()) - {ROOT / picture for picture in pictures}


def test_every_command_of_the_package_is_on_the_readme() -> None:
    main = 'if __name__ == "__main__":'
    modules = [file for file in (ROOT / "agegender").rglob("*.py") if main in file.read_text(encoding="utf-8")]
    names = {file.relative_to(ROOT).with_suffix("").as_posix().removesuffix("/__main__").replace("/", ".") for file in modules}
    assert set(re.findall(r"^\| `python -m ([\w.]+)` \|", PAGES["README.md"], re.M)) == names


@pytest.mark.parametrize(
    ("group", "page"),
    [("head", "heads-and-losses"), ("gender_head", "heads-and-losses"), ("balance", "heads-and-losses"),
     ("finetune", "fine-tuning"), ("data", "your-own-data"), ("split", "your-own-data"), ("experiment", "reproduce-a-paper")],
)  # fmt: skip
def test_every_choice_of_a_group_is_on_its_page(group: str, page: str) -> None:
    text = PAGES[f"docs/{page}.md"]
    for file in (ROOT / "conf" / group).glob("*.yaml"):
        assert re.search(rf"`(\w+=)?{file.stem}`|\b{group}={file.stem}\b", text), file.stem


@pytest.mark.parametrize("page", PAGES)
def test_scripts_and_make_targets_exist(page: str) -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"\bmake ([a-z]+)`|^    make ([a-z]+)", PAGES[page], re.M):
        assert re.search(rf"^{''.join(target)}:", makefile, re.M), target
    for script, options in re.findall(r"python (scripts/\w+\.py)([^`\n]*)", PAGES[page]):
        source = (ROOT / script).read_text(encoding="utf-8")
        if "parse_known_args" in source:  # the others are those of the server
            source += (ROOT / "agegender/inference/model_options.py").read_text(encoding="utf-8")
        assert all(f'"{option}"' in source for option in re.findall(r"--[\w-]+", options)), f"{page}: {script}{options}"
