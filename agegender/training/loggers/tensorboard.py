"""TensorBoard: the curves of the training, and its test with plots, tables and sample predictions."""

from collections.abc import Sequence
from pathlib import Path

from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only

from agegender.escaping import markdown
from agegender.evaluation.logged_test import COLUMNS, LoggedTest
from agegender.evaluation.report.chart import pixels
from agegender.sources.crop import read_face
from agegender.training.setting_checks import require


class TensorBoard(TensorBoardLogger):
    """Logs to files for ``tensorboard --logdir``.

    Args:
        save_dir: The run directory.
        name: Of the folder in it.
        samples: Number of predictions of the tested split to show, chosen at random.
        faces: Also show the images of these faces, and Grad-CAM maps over faces instead of maps alone.

    Raises:
        AgeGenderError: ``samples`` is negative.
    """

    def __init__(self, save_dir: Path, name: str = "tensorboard", samples: int = 64, faces: bool = False) -> None:
        require(samples >= 0, "logger.tensorboard.samples", samples, "at least 0")
        super().__init__(save_dir=save_dir, name=name)
        self._samples = samples
        self._faces = faces

    @rank_zero_only
    def log_test(self, test: LoggedTest) -> None:
        """Logs numbers, plots, tables, sample predictions and Grad-CAM maps, under the name of the tested split."""
        writer, split = self.experiment, test.split
        for name, value in test.scalars.items():
            writer.add_scalar(name, value)
        for chart in test.charts:
            writer.add_image(f"{split}/{chart.name}", pixels(chart.figure), dataformats="HWC")
        for table in test.tables:
            writer.add_text(f"{split}/{table.name}", _markdown(table.columns, [[c.text for c in r.cells] for r in table.rows]))
        some = test.sample(self._samples)
        columns = [name for name in COLUMNS if name in some]
        writer.add_text(f"{split}/predictions", _markdown(columns, some[columns].astype(str).to_numpy().tolist()))
        if self._faces:
            for number, face in enumerate(some.to_dict("records")):
                writer.add_image(f"{split}/faces", read_face(test.roots[face["dataset"]], face), number, dataformats="HWC")
        if test.explained is not None:
            writer.add_image(f"{split}/grad_cam", pixels(test.explained.figure(self._faces)), dataformats="HWC")
        writer.flush()


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [list(columns), ["---"] * len(columns), *([markdown(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
