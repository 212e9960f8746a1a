"""From files to batches: what is left out, what is shared out, and in which order after an interruption."""

import os
from pathlib import Path
from types import SimpleNamespace

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from PIL import Image

from agegender.data import cache as cache_module
from agegender.data.augment import Flip, Unchanged
from agegender.data.datamodule import FaceDataModule
from agegender.data.sampler import AgeBalancedSampler, PlainSampler
from agegender.data.splits import Split
from agegender.errors import AgeGenderError
from agegender.sources.faces import FaceTable

SIZE = 16


class Folder:
    """Faces named ``age_gender_number.png``; ``x`` is unknown, ``3-9`` an interval."""

    license = "drawn for the test"

    def __init__(self, root: Path, name: str = "faces") -> None:
        self.root, self.name = root, name

    def read(self) -> FaceTable:
        names = sorted(file.name for file in self.root.iterdir())
        fields = [Path(name).stem.split("_") for name in names]
        ages = [(np.nan, np.nan) if age == "x" else tuple(map(float, (age.split("-") * 2)[:2])) for age, _, _ in fields]
        columns = {
            "path": names,
            "age_low": [low for low, _ in ages],
            "age_high": [high for _, high in ages],
            "gender": [None if gender == "x" else int(gender) for _, gender, _ in fields],
        }
        return FaceTable.of(self.name, self.root, columns)


class Written(Split):
    """A split that gets every face without a part."""

    def written(self, table: FaceTable) -> FaceTable:
        return table


class EveryFifth(Written):
    """A split that is easy to foresee: of each five faces one val, one test."""

    name = "every fifth"

    def deal(self, table: FaceTable) -> FaceTable:
        parts = np.array(["train", "train", "val", "test", "train"])[np.arange(len(table)) % 5]
        return FaceTable(table.frame.assign(split=parts), table.roots, table.skipped, table.notes)


class AllIn(Written):
    """Everything in one part."""

    def __init__(self, part: str) -> None:
        self.name, self.part = f"all in {part}", part

    def deal(self, table: FaceTable) -> FaceTable:
        return FaceTable(table.frame.assign(split=self.part), table.roots, table.skipped, table.notes)


def _draw(folder: Path, label: str, number: int) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / f"{label}_{number:03d}.png"
    pixels = np.random.default_rng(number).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file)
    return file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(30):
        _draw(tmp_path / "faces", f"{20 + number}_{number % 2}", number)
    return tmp_path / "faces"


def _module(folder: Path, **changes) -> FaceDataModule:
    settings = {
        "sources": {"a": Folder(folder)},
        "split": EveryFifth(),
        "sampler": PlainSampler(),
        "augment": Unchanged(),
        "image_size": SIZE,
        "age_range": [0, 116],
        "batch_size": 4,
        "num_workers": 0,
        "cache_dir": str(folder.parent / "cache"),
        "seed": 3,
        "progress": False,
    }
    return FaceDataModule(**{**settings, **changes})


def _ready(folder: Path, stage: str | None = "fit", **changes) -> FaceDataModule:
    module = _module(folder, **changes)
    module.prepare_data()
    module.setup(stage)
    return module


def _shown(module: FaceDataModule, batch: dict[str, torch.Tensor]) -> None:
    """Each image of a batch is the file that its index names."""
    files = module.table.files()
    for index, image in zip(batch["index"], batch["image"], strict=True):
        assert np.array_equal(image.permute(1, 2, 0).numpy(), np.array(Image.open(files[index])))


@pytest.mark.parametrize("cache", ["disk", "none"])
def test_every_part_shows_its_own_faces(folder, cache):
    module = _ready(folder, cache=cache)
    parts = {part: torch.cat([batch["index"] for batch in module.loader(part)]).tolist() for part in ("train", "val", "test")}
    for part, rows in parts.items():
        assert rows == np.flatnonzero(module.table.frame["split"] == part).tolist()
    for loader in (module.train_dataloader(), module.val_dataloader(), module.test_dataloader(), module.predict_dataloader()):
        for batch in loader:
            _shown(module, batch)
            assert batch["age_low"].tolist() == module.table.frame["age_low"][batch["index"].numpy()].tolist()
    drawn = torch.cat([batch["index"] for batch in module.train_dataloader()]).tolist()
    assert len(drawn) == 16 and set(drawn) < set(parts["train"]) and drawn != sorted(drawn)  # 18 make 4 whole batches


def test_left_out_faces_do_not_shift_the_images(folder):
    _draw(folder, "00_0", 99).write_bytes(b"text")  # cannot be read; the first by name
    _draw(folder, "10_0", 98)  # too young
    _draw(folder, "31_0", 97)
    (folder / "25_1_096.png").write_bytes((folder / "31_0_097.png").read_bytes())  # copies that disagree
    module = _ready(folder, age_range=[15, 116])
    reasons = {skipped.path: skipped.reason for skipped in module.skipped}
    assert set(reasons) == {f"faces/{name}.png" for name in ("00_0_099", "10_0_098", "31_0_097", "25_1_096")}
    assert "age_range" in reasons["faces/10_0_098.png"] and len(module.table) == 30
    assert any(note.startswith("1 face") and "age_range=[15, 116]" in note for note in module.table.notes)
    for part in ("train", "val", "test"):
        for batch in module.loader(part):
            _shown(module, batch)


def test_ages_that_touch_the_range_and_unknown_ages_stay(folder):
    for number, age in enumerate(("3-9", "9-12", "x", "80-95", "95-99"), start=50):
        _draw(folder, f"{age}_0", number)
    paths = set(_ready(folder, age_range=[10, 90]).table.frame["path"])
    assert {"9-12_0_051.png", "x_0_052.png", "80-95_0_053.png"} < paths
    assert not paths & {"3-9_0_050.png", "95-99_0_054.png"}


def test_only_faces_with_a_label_for_some_task_are_trained_on(tmp_path):
    for number in range(10):
        _draw(tmp_path / "faces", ("x_x", "30_x", "x_1", "40_0", "x_x")[number % 5], number)

    def trained(tasks: list[str]) -> set[str]:
        module = _ready(tmp_path / "faces", split=AllIn("train"), tasks=tasks, batch_size=1, stage=None)
        rows = torch.cat([batch["index"] for batch in module.train_dataloader()]).numpy()
        return {path[:4] for path in module.table.frame["path"][rows]}

    assert trained(["age", "gender"]) == {"30_x", "x_1_", "40_0"}
    assert trained(["age"]) == {"30_x", "40_0"}
    assert trained(["gender"]) == {"x_1_", "40_0"}


def test_missing_labels_and_empty_parts_are_one_clear_line(tmp_path):
    for number in range(6):
        _draw(tmp_path / "faces", "x_1", number)
    with pytest.raises(AgeGenderError, match="age cannot be learned"):
        _ready(tmp_path / "faces")
    _ready(tmp_path / "faces", tasks=["gender"])
    with pytest.raises(AgeGenderError, match=r"train part is empty \(train 0, val 0, test 6\)"):
        _ready(tmp_path / "faces", split=AllIn("test"))
    with pytest.raises(AgeGenderError, match="val part is empty"):
        _ready(tmp_path / "faces", split=AllIn("train"), tasks=["gender"])
    _ready(tmp_path / "faces", stage="test", split=AllIn("test"))


def test_no_face_at_all_is_one_clear_line(tmp_path):
    (tmp_path / "faces").mkdir()
    with pytest.raises(AgeGenderError, match=r"no readable face in .*faces"):
        _ready(tmp_path / "faces")


def test_setting_up_again_changes_nothing_and_decodes_nothing(folder, monkeypatch):
    module = _ready(folder)
    table, images = module.table, module._images
    monkeypatch.setattr(cache_module, "decode", lambda data: pytest.fail("decoded again"))
    module.prepare_data()
    module.setup("test")
    assert module.table is table and module._images is images
    # another run, with another split and fewer faces, finds the cache too
    other = _ready(folder, split=AllIn("train"), age_range=[25, 116], stage=None)
    assert len(other.table) == 25 and other.split_sha256 != module.split_sha256
    for batch in other.train_dataloader():
        _shown(other, batch)


def test_the_split_is_told(folder):
    module = _ready(folder)
    assert module.split_name == "every fifth"
    assert module.split_csv.count("\n") == 31 and len(module.split_sha256) == 64


def test_a_file_rewritten_with_the_same_size_and_time_is_not_served_stale(folder):
    _ready(folder)
    file = folder / "25_1_005.png"
    before = file.stat()
    pixels = np.array(Image.open(file))
    Image.fromarray(pixels[:, ::-1]).save(file, compress_level=0)
    assert not np.array_equal(np.array(Image.open(file)), pixels)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    module = _ready(folder)
    for batch in module.loader("train"):
        _shown(module, batch)


def test_an_unwritable_cache_folder_names_the_way_out_and_the_way_out_works(folder):
    (folder.parent / "file").touch()
    blocked = str(folder.parent / "file" / "cache")
    with pytest.raises(AgeGenderError, match=r"loader\.cache=none"):
        _ready(folder, cache_dir=blocked)
    module = _ready(folder, cache_dir=blocked, cache="none")
    _shown(module, next(iter(module.val_dataloader())))


def test_weights_of_the_sampler_reach_the_batches(tmp_path):
    for number in range(100):
        _draw(tmp_path / "faces", "70_0" if number < 5 else "30_0", number)
    module = _ready(tmp_path / "faces", split=AllIn("train"), sampler=AgeBalancedSampler(power=1.0), stage=None)
    old = torch.cat([batch["age_low"] for batch in module.train_dataloader()]) == 70
    assert 0.3 < old.float().mean() < 0.7


def _place(device: str = "cpu", **attributes) -> SimpleNamespace:
    """What a data module asks its trainer."""
    loop = SimpleNamespace(epoch_progress=SimpleNamespace(current=SimpleNamespace(processed=0)))
    strategy = SimpleNamespace(root_device=torch.device(device))
    return SimpleNamespace(fit_loop=loop, strategy=strategy, limit_val_batches=1.0, **attributes)


def test_one_rank_of_several(folder):
    seen: dict[str, list[int]] = {"val": [], "train": []}
    for rank in range(3):
        module = _module(folder, batch_size=2)
        module.trainer = _place(global_rank=rank, world_size=3)
        module.setup("fit")
        seen["val"] += torch.cat([batch["index"] for batch in module.val_dataloader()]).tolist()
        seen["train"] += torch.cat([batch["index"] for batch in module.train_dataloader()]).tolist()
    assert seen["val"] == np.flatnonzero(module.table.frame["split"] == "val").tolist()
    assert len(set(seen["train"])) == 18


class Recorder(pl.LightningModule):
    """Learns nothing; writes down what it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen: list[tuple[int, list[int], int]] = []
        self.predicted: list[int] = []

    def training_step(self, batch, number):
        self.seen.append((self.current_epoch, batch["index"].tolist(), int(batch["image"].long().sum())))
        halves = batch["image"].float().mean(dim=(1, 2))  # tells mirror images apart
        self.seen[-1] += (halves.sum(dim=0).tolist(),)
        return self.weight.sum()

    def validation_step(self, batch, number):
        pass

    def predict_step(self, batch, number):
        return batch["index"]

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def _trainer(checkpoints: Path, epochs: int) -> pl.Trainer:
    keep = ModelCheckpoint(checkpoints, filename="{epoch}", save_top_k=-1, save_on_train_epoch_end=True)
    return pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        devices=1,
        logger=False,
        callbacks=[keep],
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.filterwarnings("ignore:.*does not have many workers.*")
def test_resuming_continues_with_the_next_epochs_order(folder, workers):
    """Prefetching workers ask for batches before Lightning calls set_epoch, which would replay epoch 0."""

    def data() -> FaceDataModule:
        return _module(folder, augment=Flip(), num_workers=workers)

    straight = Recorder()
    _trainer(folder.parent / "straight", 5).fit(straight, datamodule=data())
    assert [epoch for epoch, *_ in straight.seen] == [epoch for epoch in range(5) for _ in range(4)]
    orders = {tuple(row for _, rows, *_ in straight.seen[start : start + 4] for row in rows) for start in range(0, 20, 4)}
    assert len(orders) == 5

    parts = []
    for before, epochs in ((0, 2), (2, 3), (3, 5)):  # stopped after two epochs, after a third, then to the end
        recorder = Recorder()
        checkpoint = folder.parent / "parts" / f"epoch={before - 1}.ckpt" if before else None
        _trainer(folder.parent / "parts", epochs).fit(recorder, datamodule=data(), ckpt_path=checkpoint)
        parts += recorder.seen
    assert parts == straight.seen


class Writer(Recorder):
    """Each rank writes down what it validates."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def validation_step(self, batch, number):
        with (self.folder / f"rank{self.global_rank}").open("a") as file:
            file.writelines(f"{index}\n" for index in batch["index"].tolist())


@pytest.mark.parametrize("faces", [1, 7])
def test_two_processes_validate_every_face_once(tmp_path, faces):
    """Also where one of them has no face at all."""
    for number in range(faces):
        _draw(tmp_path / "faces", "30_0", number)
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=2,
        strategy="ddp_fork",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        use_distributed_sampler=False,
    )
    module = _module(tmp_path / "faces", split=AllIn("val"), batch_size=2)
    trainer.validate(Writer(tmp_path), datamodule=module, verbose=False)
    seen = [int(line) for file in sorted(tmp_path.glob("rank*")) for line in file.read_text().split()]
    assert seen == list(range(faces)) and len(list(tmp_path.glob("rank*"))) == 2


def test_predicting_sees_the_test_part_in_order(folder):
    module = _module(folder)
    batches = _trainer(folder.parent, 1).predict(Recorder(), datamodule=module)
    assert torch.cat(batches).tolist() == np.flatnonzero(module.table.frame["split"] == "test").tolist()


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_workers_by_default(folder, monkeypatch):
    monkeypatch.setattr("agegender.data.datamodule.usable_cores", lambda: 8)
    module = _ready(folder, num_workers=None)
    assert module.val_dataloader().num_workers == 0
    for device, expected in (("cpu", 0), ("cuda", 3)):
        module.trainer = _place(global_rank=0, world_size=2, num_devices=2, device=device)
        loader = module.val_dataloader()
        assert (loader.num_workers, loader.pin_memory) == (expected, device == "cuda")
