"""Predictions of a saved model over one part of the data, each face exactly once whatever the number of processes."""

from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pandas as pd
import torch
from torch.utils.data import DataLoader

from agegender.training.module import AgeGenderModule


class Collector(L.Callback):
    """Keeps the outputs of ``predict_step``."""

    def __init__(self) -> None:
        self.outputs: list[dict[str, np.ndarray]] = []

    def on_predict_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, *_: Any) -> None:
        """Keeps one batch, on the CPU; a process with fewer faces than others may get an empty one."""
        if not len(outputs["index"]):
            return
        self.outputs.append({name: value.float().cpu().numpy() if name != "index" else value.cpu().numpy()
                             for name, value in outputs.items()})  # fmt: skip

    def on_predict_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Exchanges what the processes hold; their shares may differ in size."""
        if trainer.world_size > 1:
            shares: list[Any] = [None] * trainer.world_size
            torch.distributed.all_gather_object(shares, self.outputs)
            self.outputs = [batch for share in shares for batch in share]


def predict(checkpoint: Path, loader: DataLoader, table: pd.DataFrame, trainer: dict[str, Any]) -> pd.DataFrame:
    """Predictions in full precision, by a model and a Trainer made afresh from a checkpoint.

    A Trainer that has just trained with averaged weights would test the raw ones; a fresh one tests what was saved.

    Args:
        checkpoint: File that ``AgeGenderModule.load_from_checkpoint`` reads.
        loader: Batches whose ``index`` is the row of ``table``.
        table: Labels of the faces.
        trainer: Arguments of the Trainer that say where to run: ``accelerator``, ``devices``, ``strategy``, ``num_nodes``.

    Returns:
        The rows of ``table`` that the loader holds, in its order, with ``age_pred`` in years and ``probability_female``
        in 0..1 as far as the model has the task.
    """
    collector = Collector()
    where = {key: trainer[key] for key in ("accelerator", "devices", "strategy", "num_nodes") if trainer.get(key) is not None}
    fresh = L.Trainer(**where, precision="32-true", callbacks=[collector], logger=False, enable_checkpointing=False,
                      enable_progress_bar=False, enable_model_summary=False, use_distributed_sampler=False)  # fmt: skip
    fresh.predict(AgeGenderModule.load_from_checkpoint(checkpoint), loader, return_predictions=False)
    columns = {name: np.concatenate([batch[name] for batch in collector.outputs]) for name in collector.outputs[0]}
    predicted = pd.DataFrame(columns).rename(columns={"age": "age_pred"}).set_index("index").sort_index()
    return pd.concat([table.iloc[predicted.index].reset_index(drop=True), predicted.reset_index(drop=True)], axis=1)
