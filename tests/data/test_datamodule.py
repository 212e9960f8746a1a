"""The data module: dropped faces, batches of each split, ranks, resumed runs, and loader settings."""

import hashlib
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
from agegender.sources.box import parse_box
from agegender.sources.crop import Crop
from agegender.sources.faces import FaceTable

SIZE = 16


class Folder:
    """A source of faces named ``age_gender_number.png``; ``x`` is unknown, ``3-9`` an interval."""

    license = "generated for the test"

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


class NothingPredefined(Split):
    """A split rule without predefined splits."""

    def predefined(self, table: FaceTable) -> FaceTable:
        return table


class EveryFifth(NothingPredefined):
    """Of every five faces, three go to train, one to val and one to test."""

    name = "every fifth"

    def complete(self, table: FaceTable) -> FaceTable:
        splits = np.array(["train", "train", "val", "test", "train"])[np.arange(len(table)) % 5]
        return table.with_columns(split=splits)


class AllIn(NothingPredefined):
    """All faces go to one split."""

    def __init__(self, split: str) -> None:
        self.name, self.split = f"all in {split}", split

    def complete(self, table: FaceTable) -> FaceTable:
        return table.with_columns(split=self.split)


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


def _check_images(module: FaceDataModule, batch: dict[str, torch.Tensor]) -> None:
    """Checks that each image of a batch is that of the file of its ``index``."""
    files = module.table.files()
    for index, image in zip(batch["index"], batch["image"], strict=True):
        assert np.array_equal(image.permute(1, 2, 0).numpy(), np.array(Image.open(files[index])))


@pytest.mark.parametrize("cache", ["disk", "none"])
def test_every_split_has_its_faces_in_table_order_and_train_is_shuffled(folder, cache):
    module = _ready(folder, cache=cache)
    rows_of = {
        split: torch.cat([batch["index"] for batch in module.loader(split)]).tolist() for split in ("train", "val", "test")
    }
    for split, rows in rows_of.items():
        assert rows == np.flatnonzero(module.table.frame["split"] == split).tolist()
    for loader in (module.train_dataloader(), module.val_dataloader(), module.test_dataloader(), module.predict_dataloader()):
        for batch in loader:
            _check_images(module, batch)
            assert batch["age_low"].tolist() == module.table.frame["age_low"][batch["index"].numpy()].tolist()
    drawn = torch.cat([batch["index"] for batch in module.train_dataloader()]).tolist()
    assert len(drawn) == 16 and set(drawn) < set(rows_of["train"]) and drawn != sorted(drawn)  # 18 faces give 4 whole batches


@pytest.mark.parametrize("cache", ["disk", "none"])
def test_images_that_are_not_square_are_cropped_as_their_dataset_says(folder, cache):
    crops = {"a": Crop(), "b": Crop("crop", 0.75)}
    for number, name in enumerate(("a", "b")):
        for face in range(10):
            pixels = np.random.default_rng([number, face]).integers(0, 256, (30, 20, 3), dtype=np.uint8)
            (folder.parent / name).mkdir(exist_ok=True)
            Image.fromarray(pixels).save(folder.parent / name / f"30_1_{face}.png")
    sources = {name: Folder(folder.parent / name, name) for name in ("a", "b")}
    module = _ready(folder, cache=cache, sources=sources, crops=crops)
    seen = set()
    for batch in module.val_dataloader():
        for row, image in zip(batch["index"].tolist(), batch["image"], strict=True):
            pixels = np.array(Image.open(module.table.files()[row]))
            name = module.table.frame["dataset"][row]
            assert np.array_equal(image.permute(1, 2, 0).numpy(), crops[name](pixels, SIZE))
            seen.add(name)
    assert seen == {"a", "b"}
    assert module.regions(np.array([0, 10])) == [parse_box("0 5 20 25"), parse_box("2.5 7.5 17.5 22.5")]


def test_after_dropped_faces_rows_still_have_their_images(folder):
    _draw(folder, "00_0", 99).write_bytes(b"text")  # unreadable, and the first by name
    _draw(folder, "10_0", 98)  # too young
    _draw(folder, "31_0", 97)
    (folder / "25_1_096.png").write_bytes((folder / "31_0_097.png").read_bytes())  # copies with conflicting labels
    module = _ready(folder, age_range=[15, 116])
    reasons = {skipped.path: skipped.reason for skipped in module.table.skipped}
    assert set(reasons) == {f"faces/{name}.png" for name in ("00_0_099", "10_0_098", "31_0_097", "25_1_096")}
    assert "age_range" in reasons["faces/10_0_098.png"] and len(module.table) == 30
    assert any(note.startswith("1 face") and "age_range=[15, 116]" in note for note in module.table.notes)
    for split in ("train", "val", "test"):
        for batch in module.loader(split):
            _check_images(module, batch)


def test_ages_that_overlap_the_range_and_unknown_ages_are_kept(folder):
    for number, age in enumerate(("3-9", "9-12", "x", "80-95", "95-99"), start=50):
        _draw(folder, f"{age}_0", number)
    paths = set(_ready(folder, age_range=[10, 90]).table.frame["path"])
    assert {"9-12_0_051.png", "x_0_052.png", "80-95_0_053.png"} < paths
    assert not paths & {"3-9_0_050.png", "95-99_0_054.png"}


def test_training_uses_faces_with_a_label_for_at_least_one_task(tmp_path):
    for number in range(10):
        _draw(tmp_path / "faces", ("x_x", "30_x", "x_1", "40_0", "x_x")[number % 5], number)

    def trained(tasks: list[str]) -> set[str]:
        module = _ready(tmp_path / "faces", split=AllIn("train"), tasks=tasks, batch_size=1, stage=None)
        rows = torch.cat([batch["index"] for batch in module.train_dataloader()]).numpy()
        return {path[:4] for path in module.table.frame["path"][rows]}

    assert trained(["age", "gender"]) == {"30_x", "x_1_", "40_0"}
    assert trained(["age"]) == {"30_x", "40_0"}
    assert trained(["gender"]) == {"x_1_", "40_0"}


def test_missing_labels_and_empty_splits_raise(tmp_path):
    for number in range(6):
        _draw(tmp_path / "faces", "x_1", number)
    with pytest.raises(AgeGenderError, match="age cannot be learned"):
        _ready(tmp_path / "faces")
    _ready(tmp_path / "faces", tasks=["gender"])
    with pytest.raises(AgeGenderError, match=r"train split is empty \(train 0, val 0, test 6\)"):
        _ready(tmp_path / "faces", split=AllIn("test"))
    with pytest.raises(AgeGenderError, match="val split is empty"):
        _ready(tmp_path / "faces", split=AllIn("train"), tasks=["gender"])
    _ready(tmp_path / "faces", stage="test", split=AllIn("test"))


def test_a_folder_without_faces_raises(tmp_path):
    (tmp_path / "faces").mkdir()
    with pytest.raises(AgeGenderError, match=r"no face in .*faces"):
        _ready(tmp_path / "faces")


def test_a_second_setup_changes_nothing_and_decodes_nothing(folder, monkeypatch):
    module = _ready(folder)
    table, images = module.table, module._images
    monkeypatch.setattr(cache_module, "decode", lambda data: pytest.fail("decoded again"))
    module.prepare_data()
    module.setup("test")
    assert module.table is table and module._images is images
    # another run with another split and fewer faces uses the same cache
    other = _ready(folder, split=AllIn("train"), age_range=[25, 116], stage=None)
    assert len(other.table) == 25 and other.split_sha256 != module.split_sha256
    for batch in other.train_dataloader():
        _check_images(other, batch)


def test_name_text_and_checksum_of_the_split(folder):
    module = _ready(folder)
    assert module.split_name == "every fifth"
    assert module.split_csv.count("\n") == 31
    assert module.content_sha256 == hashlib.sha256(module.split_csv.encode()).hexdigest() != module.split_sha256


def test_a_file_rewritten_with_the_same_modification_time_gives_its_new_pixels(folder):
    _ready(folder)
    file = folder / "25_1_005.png"
    before = file.stat()
    pixels = np.array(Image.open(file))
    Image.fromarray(pixels[:, ::-1]).save(file, compress_level=0)
    assert not np.array_equal(np.array(Image.open(file)), pixels)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    module = _ready(folder)
    for batch in module.loader("train"):
        _check_images(module, batch)


def test_if_the_cache_folder_cannot_be_written_the_advised_setting_works(folder):
    (folder.parent / "file").touch()
    blocked = str(folder.parent / "file" / "cache")
    with pytest.raises(AgeGenderError, match=r"loader\.cache=none"):
        _ready(folder, cache_dir=blocked)
    module = _ready(folder, cache_dir=blocked, cache="none")
    _check_images(module, next(iter(module.val_dataloader())))


def test_training_batches_use_the_weights_of_the_sampler(tmp_path):
    for number in range(100):
        _draw(tmp_path / "faces", "70_0" if number < 5 else "30_0", number)
    module = _ready(tmp_path / "faces", split=AllIn("train"), sampler=AgeBalancedSampler(power=1.0), stage=None)
    old = torch.cat([batch["age_low"] for batch in module.train_dataloader()]) == 70
    assert 0.3 < old.float().mean() < 0.7


def _trainer_stub(device: str = "cpu", **attributes) -> SimpleNamespace:
    """The attributes of a Trainer that a data module reads."""
    loop = SimpleNamespace(epoch_progress=SimpleNamespace(current=SimpleNamespace(processed=0)))
    strategy = SimpleNamespace(root_device=torch.device(device))
    return SimpleNamespace(fit_loop=loop, strategy=strategy, limit_val_batches=1.0, **attributes)


def test_ranks_divide_the_faces(folder):
    seen: dict[str, list[int]] = {"val": [], "train": []}
    for rank in range(3):
        module = _module(folder, batch_size=2)
        module.trainer = _trainer_stub(global_rank=rank, world_size=3)
        module.setup("fit")
        seen["val"] += torch.cat([batch["index"] for batch in module.val_dataloader()]).tolist()
        seen["train"] += torch.cat([batch["index"] for batch in module.train_dataloader()]).tolist()
    assert seen["val"] == np.flatnonzero(module.table.frame["split"] == "val").tolist()
    assert len(set(seen["train"])) == 18


class Recorder(pl.LightningModule):
    """Learns nothing; records the batches that it gets."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen: list[tuple[int, list[int], int]] = []
        self.predicted: list[int] = []

    def training_step(self, batch, number):
        self.seen.append((self.current_epoch, batch["index"].tolist(), int(batch["image"].long().sum())))
        halves = batch["image"].float().mean(dim=(1, 2))  # differs between an image and its mirror image
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
def test_a_resumed_run_continues_with_the_order_of_the_next_epoch(folder, workers):
    """Workers load batches before Lightning calls set_epoch; without a correction these would be those of epoch 0."""

    def data() -> FaceDataModule:
        return _module(folder, augment=Flip(), num_workers=workers)

    uninterrupted = Recorder()
    _trainer(folder.parent / "uninterrupted", 5).fit(uninterrupted, datamodule=data())
    assert [epoch for epoch, *_ in uninterrupted.seen] == [epoch for epoch in range(5) for _ in range(4)]
    orders = {tuple(row for _, rows, *_ in uninterrupted.seen[start : start + 4] for row in rows) for start in range(0, 20, 4)}
    assert len(orders) == 5

    seen = []
    for before, epochs in ((0, 2), (2, 3), (3, 5)):  # interrupted after epochs 2 and 3
        recorder = Recorder()
        checkpoint = folder.parent / "resumed" / f"epoch={before - 1}.ckpt" if before else None
        _trainer(folder.parent / "resumed", epochs).fit(recorder, datamodule=data(), ckpt_path=checkpoint)
        seen += recorder.seen
    assert seen == uninterrupted.seen


class Writer(Recorder):
    """Each rank writes the faces that it validates to a file."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def validation_step(self, batch, number):
        with (self.folder / f"rank{self.global_rank}").open("a") as file:
            file.writelines(f"{index}\n" for index in batch["index"].tolist())


@pytest.mark.parametrize("faces", [1, 7])
def test_two_processes_validate_every_face_once(tmp_path, faces):
    """With one face, one of the processes has none."""
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
    assert sorted(seen) == list(range(faces)) and len(list(tmp_path.glob("rank*"))) == 2


def test_prediction_uses_the_test_split_in_order(folder):
    module = _module(folder)
    batches = _trainer(folder.parent, 1).predict(Recorder(), datamodule=module)
    assert torch.cat(batches).tolist() == np.flatnonzero(module.table.frame["split"] == "test").tolist()


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_default_number_of_workers(folder, monkeypatch):
    monkeypatch.setattr("agegender.data.datamodule.usable_cores", lambda: 8)
    module = _ready(folder, num_workers=None)
    assert module.val_dataloader().num_workers == 0
    for device, expected in (("cpu", 0), ("cuda", 3)):
        module.trainer = _trainer_stub(global_rank=0, world_size=2, num_devices=2, device=device)
        loader = module.val_dataloader()
        assert (loader.num_workers, loader.pin_memory, loader.cores) == (expected, device == "cuda", None)


def test_the_training_loader_beside_a_cpu_trainer_chooses_its_workers_after_the_first_epoch(folder, monkeypatch):
    monkeypatch.setattr("agegender.data.datamodule.usable_cores", lambda: 8)
    for num_workers, cores in (("auto", 4), (None, 4), (0, None), (2, None)):
        module = _ready(folder, num_workers=num_workers)
        module.trainer = _trainer_stub(global_rank=0, world_size=2, num_devices=2, device="cpu")
        loader = module.batches(module._train_batches(), None)
        assert (loader.num_workers, loader.cores) == (num_workers if isinstance(num_workers, int) else 0, cores)


def test_sizes_below_1_and_sources_of_the_same_name_raise(folder):
    with pytest.raises(AgeGenderError, match=r"loader\.batch_size=0, image_size=16: both must be >= 1"):
        _module(folder, batch_size=0)
    with pytest.raises(AgeGenderError, match=r"data\.sources: 2 sources have the names faces"):
        _module(folder, sources={"a": Folder(folder), "b": Folder(folder)})
