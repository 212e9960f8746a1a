"""Predictions for all faces of a split: each face exactly once, in full precision, whatever the number of ranks."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import lightning as L
import numpy as np
import pandas as pd
import torch
from torch.utils.data import DataLoader

from agegender.data.datamodule import FaceDataModule
from agegender.evaluation.views import Views, views_of
from agegender.heads.base import AgeHead
from agegender.metrics.distributions import LEGAL_AGES, summary_columns
from agegender.training.module import AgeGenderModule, Batch
from agegender.training.trainer import build_trainer

PLACE = ("accelerator", "devices", "strategy", "num_nodes")  # arguments of the Trainer that say where it runs


class Collector(L.Callback):
    """Keeps the outputs of ``predict_step`` of all ranks."""

    def __init__(self) -> None:
        self.outputs: list[dict[str, np.ndarray]] = []

    def on_predict_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, *_: Any) -> None:
        """Moves the outputs of one batch to the CPU. A rank with fewer faces than others may have an empty batch."""
        if not len(outputs["index"]):
            return
        self.outputs.append({name: value.float().cpu().numpy() if name != "index" else value.cpu().numpy()
                             for name, value in outputs.items()})  # fmt: skip

    def on_predict_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Gathers the outputs of all ranks, which may differ in number."""
        if trainer.world_size > 1:
            shares: list[Any] = [None] * trainer.world_size
            torch.distributed.all_gather_object(shares, self.outputs)
            self.outputs = [batch for share in shares for batch in share]


class AveragedViews(L.LightningModule):
    """Predicts as a model does, averaged over several views of each face.

    Args:
        model: The model.
        views: See ``agegender.evaluation.views``.
    """

    def __init__(self, model: AgeGenderModule, views: Views) -> None:
        super().__init__()
        self.model = model
        self.views = views

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, torch.Tensor]:
        """The estimates of ``AgeGenderModule.predict_step``, averaged."""
        every = [self.model.predict_step({**batch, "image": view}, batch_idx) for view in views_of(batch["image"], self.views)]
        return {
            name: first if name == "index" else torch.stack([one[name].float() for one in every]).mean(dim=0)
            for name, first in every[0].items()
        }


def predict(
    model: AgeGenderModule,
    loader: DataLoader,
    table: pd.DataFrame,
    trainer: Mapping[str, Any],
    legal_ages: Sequence[int] = LEGAL_AGES,
    views: Views = "one",
) -> pd.DataFrame:
    """Predicts in full precision, with a new Trainer that has none of the training's callbacks and settings.

    Args:
        model: Loaded from a checkpoint.
        loader: Batches with ``index``, the row of each face in ``table``.
        table: The face table.
        trainer: Arguments of the Trainer. Only ``accelerator``, ``devices``, ``strategy`` and ``num_nodes`` are used.
        legal_ages: In years; ``probability_under_AGE`` is predicted for each if the age head has a distribution.
        views: Views of each face over which the estimates are averaged.

    Returns:
        The rows of ``table`` that the loader holds, in the order of ``table``, with the columns ``age_pred`` in years and
        ``probability_female`` in 0..1 for the tasks that the model has, and those of ``summary_columns`` if the age head has a
        distribution.

    Raises:
        AgeGenderError: There is no such device.
    """
    collector, averaged = Collector(), model if views == "one" else AveragedViews(model, views)
    place = {key: trainer[key] for key in PLACE if trainer.get(key) is not None}
    build_trainer(**place, precision="32-true", callbacks=[collector], logger=False, enable_checkpointing=False,
                  enable_progress_bar=False).predict(averaged, loader, return_predictions=False)  # fmt: skip
    columns = {name: np.concatenate([batch[name] for batch in collector.outputs]) for name in collector.outputs[0]}
    order = np.argsort(columns["index"])
    columns = {name: values[order] for name, values in columns.items()}
    faces = table.iloc[columns.pop("index")].reset_index(drop=True)
    distribution = columns.pop("age_distribution", None)
    predicted = pd.DataFrame(columns).rename(columns={"age": "age_pred"})
    if distribution is None:
        return pd.concat([faces, predicted], axis=1)
    first_age = cast(AgeHead, model.network.heads["age"]).first_age
    summary = summary_columns(distribution, first_age, faces["age_low"], faces["age_high"], legal_ages)
    return pd.concat([faces, predicted, pd.DataFrame(summary)], axis=1)


def predict_held_out(
    model: AgeGenderModule, data: FaceDataModule, trainer: Mapping[str, Any], test: bool = True, views: Views = "one"
) -> dict[str, pd.DataFrame]:
    """Predicts the validation and the test split.

    Args:
        model: Loaded from a checkpoint.
        data: Set up.
        trainer: See ``predict``.
        test: False leaves the test split alone.
        views: Views of each face over which the estimates are averaged.

    Returns:
        The predictions under ``val`` and ``test``, without a split that has no faces.
    """
    table = data.table.frame
    return {
        split: predict(model, data.loader(split), table, trainer, views=views)
        for split in (("val", "test") if test else ("val",))
        if (table["split"] == split).any()
    }
