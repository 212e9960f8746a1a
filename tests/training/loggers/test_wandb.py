"""W&B runs, read from the offline files of wandb with its own protocol buffers."""

import ast
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import lightning
import pandas as pd
import pytest
import wandb
from lightning.pytorch.utilities import rank_zero_only
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from wandb.proto import wandb_internal_pb2

from agegender.configuration.paths import CONF, PACKAGE
from agegender.configuration.resume import continued
from agegender.configuration.schema import validate
from agegender.errors import AgeGenderError
from agegender.runs.run_directory import RunDirectory
from agegender.sources import images
from agegender.train import train
from agegender.training.loggers import wandb as wandb_logging
from agegender.training.loggers.sessions import sessions as running
from agegender.training.loggers.wandb import Wandb

Configure = Callable[..., dict[str, Any]]
KEY = "0123456789abcdef" * 2 + "76543210"
OFFLINE = ["logger=wandb", "logger.wandb.mode=offline"]


@pytest.fixture(autouse=True)
def separate_wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Settings, caches and API key of the test alone, in its own folder."""
    for name in [name for name in os.environ if name.startswith("WANDB")]:
        monkeypatch.delenv(name)
    for name in ("CONFIG", "CACHE", "DATA"):
        monkeypatch.setenv(f"WANDB_{name}_DIR", str(tmp_path / "home" / name.lower()))
    monkeypatch.setenv("NETRC", str(tmp_path / "home" / "netrc"))
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    yield
    wandb.teardown()


def records(file: Path) -> Iterator[Any]:
    """Records of a `.wandb` file: a header of 7 bytes, then a LevelDB log of blocks of 32 KiB with checksums."""
    data, position, parts = file.read_bytes(), 7, []
    assert data[:4] == b":W&B"
    while position + 7 <= len(data):
        left = 32768 - position % 32768
        if left < 7:  # too little for a header: padding
            position += left
            continue
        checksum, length, kind = struct.unpack_from("<IHB", data, position)
        content = data[position + 7 : position + 7 + length]
        assert zlib.crc32(bytes([kind]) + content) == checksum
        parts.append(content)
        position += 7 + length
        if kind in (1, 4):  # whole, or the last of several fragments
            record = wandb_internal_pb2.Record()
            record.ParseFromString(b"".join(parts))
            parts = []
            yield record


class Written:
    """The content of one offline file: one session of a W&B run."""

    def __init__(self, file: Path) -> None:
        self.folder = file.parent
        self.config: dict[str, Any] = {}
        self.summary: dict[str, Any] = {}
        self.history: list[dict[str, Any]] = []
        self.exit: int | None = None
        for record in records(file):
            match record.WhichOneof("record_type"):
                case "run":
                    self.run = record.run
                    self.config |= {i.key: json.loads(i.value_json) for i in record.run.config.update}
                case "config":
                    self.config |= {i.key: json.loads(i.value_json) for i in record.config.update if i.key}
                case "summary":
                    for i in record.summary.update:
                        *outer, last = i.nested_key or [i.key]
                        place = self.summary
                        for name in outer:
                            place = place.setdefault(name, {})
                        place[last] = json.loads(i.value_json)
                case "history":
                    self.history.append(
                        {"/".join(i.nested_key) or i.key: json.loads(i.value_json) for i in record.history.item}
                    )
                case "exit":
                    self.exit = record.exit.exit_code

    def curve(self, name: str) -> list[float]:
        return [row[name] for row in self.history if name in row]

    def table(self, name: str) -> pd.DataFrame:
        value = json.loads((self.folder / "files" / self.summary[name]["path"]).read_text())
        return pd.DataFrame(value["data"], columns=value["columns"])


def sessions(run: Path) -> list[Written]:
    """The sessions of a run directory, oldest first."""
    wandb.teardown()  # waits until the service of wandb has closed the files
    return [Written(file) for file in sorted(run.glob("wandb/*run-*/run-*.wandb"), key=lambda file: file.stat().st_mtime)]


def go(config: dict[str, Any], folder: Path, resuming: bool = False) -> RunDirectory:
    directory = RunDirectory(folder)
    validate(config)
    train(config, directory, resuming)
    return directory


def history(run: RunDirectory) -> pd.DataFrame:
    return pd.read_csv(run.path / "history.csv")


def files_holding(text: str, *folders: Path) -> list[Path]:
    files = [p for folder in folders for p in folder.rglob("*") if p.is_file()]
    assert files
    return [file for file in files if text.encode() in file.read_bytes()]


def test_an_offline_run_has_the_configuration_curves_and_metrics_of_the_run_directory(
    configure: Configure, tmp_path: Path
) -> None:
    config = configure(*OFFLINE, "logger.wandb.tags=[first,toy]", "logger.wandb.samples=4", "trainer.log_every_n_steps=2")
    run = go(config, tmp_path / "run")
    [written] = sessions(run.path)
    assert written.exit == 0 and wandb.run is None
    assert (written.run.project, written.run.display_name, list(written.run.tags)) == ("agegender", "run", ["first", "toy"])

    versions = json.loads((run.path / "versions.json").read_text())
    saved = {key: written.config[key] for key in run.read_config()}
    assert saved == run.read_config()
    assert written.config["model"] == "CustomCNN DLDL"
    assert written.config["versions"] == versions
    assert written.run.git.commit == (versions["git"] or "").removesuffix("+changes")

    table = history(run)
    for name in ("train/loss", "val/loss", "train/age_mae", "val/age_mae", "train/gender_accuracy", "val/gender_accuracy"):
        assert written.curve(name) == pytest.approx(table[name].tolist(), rel=1e-5), name
    assert len(written.curve("train/step_loss")) == 2 * table["steps"][0] // 2
    steps = written.curve("_step")
    assert steps == sorted(set(steps))

    metrics = json.loads(run.metrics.read_text())
    assert {key: written.summary[key] for key in metrics.keys() - {"val", "test"}} == {
        key: value for key, value in metrics.items() if key not in ("val", "test")
    }
    assert not {"val", "test"} & written.summary.keys()
    assert written.summary["split"]["sha256"] == metrics["split"]["sha256"]

    counts = written.table("test/gender_confusion_table")
    labels = ["male", "female"]
    matrix = counts.pivot(index="Actual", columns="Predicted", values="nPredictions").loc[labels, labels]
    assert matrix.to_numpy().tolist() == metrics["test"]["confusions"]["gender"]["counts"]

    predictions = pd.read_parquet(run.path / "predictions.parquet").set_index("path")
    shown = written.table("test/predictions")
    assert len(shown) == 4 and shown["path"].is_unique
    for _, row in shown.iterrows():
        original = predictions.loc[row["path"]]
        assert original["split"] == "test"
        assert row["age_pred"] == pytest.approx(float(original["age_pred"]))
        assert (row["age_low"], row["gender"]) == (original["age_low"], original["gender"])
    assert "test/faces" not in written.summary
    assert {"test/cumulative-score", "test/confusion-gender", "test/grad_cam"} <= written.summary.keys()
    assert written.summary["test/age_mae"] == metrics["test"]["age_mae"]
    groups = written.table("test/groups-gender").set_index("group")
    assert groups["faces"].to_dict() == {name: row["n"] for name, row in metrics["test"]["by_group"]["gender"].items()}


def test_faces_are_logged_with_their_predictions_if_asked_for(configure: Configure, faces: Path, tmp_path: Path) -> None:
    run = go(configure(*OFFLINE, "logger.wandb.faces=true", "logger.wandb.samples=3", "trainer.max_epochs=1"), tmp_path / "run")
    [written] = sessions(run.path)
    rows = written.table("test/predictions")
    shown = written.summary["test/faces"]
    assert len(rows) == len(shown["filenames"]) == 3
    for path, name, caption in zip(rows["path"], shown["filenames"], shown["captions"], strict=True):
        assert path in caption
        assert (images.read(written.folder / "files" / name) == images.read(faces / path)).all()


def test_a_moved_run_directory_continues_its_wandb_run(configure: Configure, tmp_path: Path) -> None:
    first = go(configure(*OFFLINE, "logger.wandb.group=mine", "trainer.max_epochs=2"), tmp_path / "run")
    shutil.move(first.path, tmp_path / "moved")
    moved = RunDirectory(tmp_path / "moved")
    go(continued(moved.read_config(), ["trainer.max_epochs=3"], moved.path), moved.path, resuming=True)
    one, other = sessions(moved.path)
    assert one.run.run_id == other.run.run_id
    assert one.run.run_group == other.run.run_group == "mine"
    table = history(moved)
    assert one.curve("val/loss") + other.curve("val/loss") == pytest.approx(table["val/loss"].tolist(), rel=1e-5)
    assert min(other.curve("_step")) > max(one.curve("_step"))
    assert other.config["trainer"]["max_epochs"] == 3


@pytest.mark.parametrize("error", [AgeGenderError("bad"), RuntimeError("broken"), KeyboardInterrupt()])
def test_the_wandb_run_ends_as_failed_after_any_error(
    error: BaseException, configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        assert wandb.run is not None
        raise error

    monkeypatch.setattr(lightning.Trainer, "fit", fail)
    with pytest.raises(type(error)):
        go(configure(*OFFLINE), tmp_path / "run")
    assert wandb.run is None
    assert [written.exit for written in sessions(tmp_path / "run")] == [1]


def test_a_failed_upload_does_not_replace_the_error_of_the_training(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    RunDirectory(tmp_path).write_versions({"git": None})
    with monkeypatch.context() as patch, pytest.raises(AgeGenderError, match="the reason"):
        patch.setattr(wandb.Run, "finish", lambda run, exit_code: 1 / 0)
        with running([Wandb(tmp_path, "project", mode="offline")], {}):
            raise AgeGenderError("the reason")
    wandb.finish()
    assert "could not be ended (division by zero)" in caplog.text


def tensorboard(run: Path) -> dict[str, list[float]]:
    """The curves in the TensorBoard files of a run."""
    curves: dict[str, list[float]] = {}
    for folder in sorted({file.parent for file in run.rglob("events.out.tfevents.*")}):
        events = EventAccumulator(str(folder)).Reload()
        for tag in events.Tags()["scalars"]:
            curves.setdefault(tag, []).extend(event.value for event in events.Scalars(tag))
    return curves


def test_jobs_of_a_sweep_with_two_ranks_are_runs_of_one_group_named_by_their_overrides(faces: Path, tmp_path: Path) -> None:
    """Offline, with TensorBoard beside W&B; no file contains the key. A resumed job continues its W&B run."""
    both = "+logger.tensorboard={_target_:lightning.pytorch.loggers.TensorBoardLogger,save_dir:null,name:tensorboard}"
    overrides = ["data=utkface", f"data.root={faces}", "image_size=16", "backbone.widths=[4,8]", "trainer.max_epochs=2",
                 "loader.batch_size=8", "trainer=ddp", "trainer.devices=2", "trainer.accelerator=cpu", *OFFLINE, both,
                 "logger.wandb.tags=[first]"]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(CONF.parent)}

    def command(*arguments: str) -> None:
        done = subprocess.run([sys.executable, "-m", "agegender.train", *arguments],
                              cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        assert KEY not in done.stdout + done.stderr

    command("-m", *overrides, "hydra.sweep.dir=sweeps/first", "head=dldl,coral")
    ids = set()
    for number, head in enumerate(["dldl", "coral"]):
        run = RunDirectory(tmp_path / "sweeps" / "first" / str(number))
        [written] = sessions(run.path)  # of rank 0 only
        assert (written.run.run_group, written.run.display_name) == ("sweeps/first", f"head={head}")
        assert (list(written.run.tags), written.exit) == (["first"], 0)
        assert {key: written.config[key] for key in run.read_config()} == run.read_config()
        assert written.config["trainer"]["devices"] == 2
        assert written.run.git.commit == (run.read_versions()["git"] or "").removesuffix("+changes")
        table, curves = history(run), tensorboard(run.path)
        for name in (name for name in table if name.startswith(("train/", "val/", "speed/"))):
            assert written.curve(name) == pytest.approx(table[name].tolist(), rel=1e-5), name
            assert curves[name] == pytest.approx(table[name].tolist(), rel=1e-5), name
        assert written.summary["val/age_mae"] == pytest.approx(run.read_metrics()["val"]["age_mae"], rel=1e-5)
        ids.add(written.run.run_id)
    assert len(ids) == 2

    command("resume=sweeps/first/0", "test=true")
    first, second = sessions(tmp_path / "sweeps" / "first" / "0")
    assert first.run.run_id == second.run.run_id
    assert (second.run.display_name, second.run.run_group) == ("head=dldl", "sweeps/first")
    metrics = RunDirectory(tmp_path / "sweeps" / "first" / "0").read_metrics()["test"]
    assert second.summary["test/age_mae"] == metrics["age_mae"]
    assert files_holding(KEY, tmp_path) == []
    assert files_holding("offline", tmp_path)  # the search does find text


def test_disabled_writes_nothing(configure: Configure, tmp_path: Path) -> None:
    run = go(configure("logger=wandb", "logger.wandb.mode=disabled", "trainer.max_epochs=1"), tmp_path / "run")
    assert json.loads(run.metrics.read_text())["test"]["n"] > 0
    assert not [p for p in run.path.iterdir() if "wandb" in p.name]
    assert wandb.run is None


def test_a_negative_number_of_samples_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AgeGenderError, match=r"logger\.wandb\.samples=-1: must be at least 0"):
        Wandb(tmp_path, "project", samples=-1)


def test_the_environment_can_set_the_mode(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    assert configure("logger=wandb")["logger"]["wandb"]["mode"] == "online"
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert configure("logger=wandb")["logger"]["wandb"]["mode"] == "offline"


def begun(folder: Path) -> Wandb:
    """A logger that has begun in a run directory."""
    run = RunDirectory(folder)
    run.write_versions({"git": None})
    logger = Wandb(folder, "agegender")
    logger.begin({"seed": 0})
    return logger


def test_without_a_server_the_run_is_written_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{closed.getsockname()[1]}")
        monkeypatch.delenv("WANDB_API_KEY")  # an offline run needs none
        with caplog.at_level("INFO", logger="agegender"):
            logger = begun(tmp_path / "run")
    logger.log_metrics({"val/loss": 1.5}, step=3)
    logger.end(failed=False)
    [written] = sessions(tmp_path / "run")
    assert written.curve("val/loss") == [1.5] and written.exit == 0
    assert "cannot be reached" in caplog.text and "wandb sync" in caplog.text


def test_a_server_that_never_answers_does_not_hold_up_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        logger = begun(tmp_path / "run")
        logger.log_metrics({"val/loss": 1.5}, step=3)
        logger.end(failed=False)
    [written] = sessions(tmp_path / "run")
    assert written.curve("val/loss") == [1.5]


def test_a_name_longer_than_the_limit_of_wandb_is_cut(tmp_path: Path) -> None:
    RunDirectory(tmp_path).write_versions({"git": None})
    with running([Wandb(tmp_path, "project", name="x" * 200, mode="offline")], {}):
        pass
    [written] = sessions(tmp_path)
    assert written.run.display_name == "x" * 128


@pytest.fixture
def broken_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A server that answers every request with an error."""

    class Fail(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(500)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Fail)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(wandb_logging, "BEGIN_SECONDS", 2)
    yield
    server.shutdown()
    server.server_close()


@pytest.mark.usefixtures("broken_server")
def test_a_failing_server_and_a_missing_key_give_one_line_within_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(AgeGenderError, match=r"logger=wandb: .*logger\.wandb\.mode=offline") as error:
        begun(tmp_path / "failing")
    assert KEY not in str(error.value)
    assert files_holding(KEY, tmp_path) == []
    wandb.teardown()
    monkeypatch.delenv("WANDB_API_KEY")
    with pytest.raises(AgeGenderError, match="API key"):
        begun(tmp_path / "keyless")


def test_only_rank_0_has_a_wandb_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    logger = begun(tmp_path / "run")
    logger.log_metrics({"val/loss": 1.0}, step=0)
    logger.end(failed=False)
    assert logger.version is None and wandb.run is None
    assert not (tmp_path / "run" / "wandb").exists()


def test_a_damaged_identity_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wandb.json").write_text("{")
    monkeypatch.setattr(wandb_logging, "unreachable", lambda url: "off")
    with pytest.raises(AgeGenderError, match=r"wandb\.json: cannot be read"):
        begun(tmp_path)


def test_wandb_is_imported_only_when_used() -> None:
    """The import takes a second, which other loggers do not need."""
    for file in PACKAGE.rglob("*.py"):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [getattr(node, "module", None) or ""]
            assert not any(name.split(".")[0] == "wandb" for name in names), file


class Graphql(BaseHTTPRequestHandler):
    """Answers what a workspace and a report ask of a W&B server."""

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers["Content-Length"]))
        data: dict[str, Any] = {}
        if self.path == "/graphql":
            body = json.loads(text)
            given = body.get("variables") or {}
            self.server.asked.append((body["query"], given))  # type: ignore[attr-defined]
            project = {"id": "p", "name": given.get("projectName"), "entityName": given.get("entityName")}
            view = {"id": "Vmlldzox", "type": "runs", "name": "n", "displayName": given.get("displayName"), "description": "",
                    "project": project, "spec": given.get("spec"), "updatedAt": "2026-01-01"}  # fmt: skip
            answers = {
                "UpsertView2": {"upsertView": {"view": {"id": "1", "name": given.get("name")}, "inserted": True}},
                "upsertView": {"upsertView": {"view": view, "inserted": True}},
                "GetProjects": {"models": {"edges": [], "pageInfo": {"endCursor": None, "hasNextPage": False}}},
                "ProjectInternalId": {"project": {"internalId": "UHJvamVjdDp2MTpwOjE="}},
                "Viewer": {"viewer": {"id": "u", "username": "me", "entity": "me", "flags": "{}", "teams": {"edges": []}}},
            }
            data = next((answer for name, answer in answers.items() if name in body["query"]), {})
        answer = json.dumps({"data": data}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def graphql(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """The queries that a server on the loopback address got, each with its variables."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Graphql)
    server.asked = []
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{server.server_port}")
    yield server.asked
    server.shutdown()
    server.server_close()


def shown(spec: Any, key: str = "") -> Iterator[str]:
    """Every key of a metric, a setting or a picture in the specification of a workspace or a report."""
    if isinstance(spec, dict):
        for name, value in spec.items():
            yield from shown(value, name)
    elif isinstance(spec, list):
        for value in spec:
            yield from shown(value, key)
    elif isinstance(spec, str) and (key in ("metrics", "mediaKeys", "accessor", "groupBy") or "/groups-" in spec):
        yield spec


def logged(name: str, written: Written) -> bool:
    """Whether a run has what a panel shows, which W&B spells as ``summary_metrics.NAME`` or ``config:NAME.value.PART``."""
    name = re.sub(r"^(summary_metrics\.|summary:|config:)", "", name)
    first, *parts = name.replace(".value", "").split(".")
    curves = {key for row in written.history for key in row}
    value: Any = written.config.get(first)
    for part in parts:
        value = value[part]
    return name in written.summary or name in curves or value is not None


def test_every_panel_of_the_dashboard_shows_what_a_run_has_logged(
    configure: Configure, make_utkface: Callable[..., Path], tmp_path: Path, graphql: list[Any]
) -> None:
    faces = make_utkface(tmp_path / "many", 600)  # enough for thirty test faces in each group
    data = ["data=utkface", f"data.root={faces}", "image_size=16", "backbone.widths=[4,8]", "trainer.max_epochs=1"]
    run = go(configure(*data, "split.fractions=[0.2,0.1,0.7]", *OFFLINE, "logger.wandb.faces=true"), tmp_path / "run")
    [written] = sessions(run.path)
    script = CONF.parent / "scripts" / "wandb_dashboard.py"
    done = subprocess.run(
        [sys.executable, script, "me/project", "--faces"], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "workspace: http" in done.stdout and "report: http" in done.stdout
    specifications = [json.loads(given["spec"]) for query, given in graphql if "spec" in given]
    assert len(specifications) == 2
    for specification in specifications:
        names = set(shown(specification))
        assert {"train/loss", "test/grad_cam", "test/faces", "summary_metrics.test/age_mae"} <= names
        assert [name for name in sorted(names) if not logged(name, written)] == []


def test_a_project_is_named_with_its_entity(tmp_path: Path) -> None:
    script = CONF.parent / "scripts" / "wandb_dashboard.py"
    done = subprocess.run([sys.executable, script, "project"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "project: expected ENTITY/PROJECT" in done.stderr
