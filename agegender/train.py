"""``python -m agegender.train``: from faces with labels to a trained and honestly tested model, in one run directory."""

import logging
import sys
from pathlib import Path
from typing import Any

from agegender.configuration import job
from agegender.configuration.command import entry
from agegender.configuration.path_arguments import with_absolute_paths
from agegender.configuration.resume import continued
from agegender.configuration.schema import validate
from agegender.errors import AgeGenderError
from agegender.processes import ranks
from agegender.processes.launch import end_with_launcher, launch, refuse_sweep
from agegender.runs.run_directory import RunDirectory

log = logging.getLogger("agegender.train")


@entry("train")
def main(config: dict[str, Any]) -> float | None:
    """Trains, tests and returns the best value of ``monitor`` for sweepers."""
    if ranks.started():
        end_with_launcher()
    run = RunDirectory(job.output_dir())
    resuming = config["resume"] is not None
    if resuming:
        config = continued(run.read_config(), job.overrides(), run.path)
    validate(config)
    if job.sweep_dir():
        refuse_sweep(config["trainer"])
    if not ranks.started() and (count := ranks.process_count(config["trainer"])) > 1:
        if status := launch("agegender.train", count, run.path):
            raise SystemExit(status)
        return None
    run = RunDirectory(ranks.on_rank_zero("run directory", lambda: str(run.path)))
    return train(with_absolute_paths(config), run, resuming)


def train(config: dict[str, Any], run: RunDirectory, resuming: bool = False) -> float | None:
    """Carries out a validated configuration in a run directory.

    Args:
        config: Plain and resolved, with the keys of ``conf/train.yaml``.
        run: Where everything is written; a ``RunDirectory``.
        resuming: Continue after the last finished epoch of that directory, if it has one.

    Returns:
        The smallest value of ``config["monitor"]`` over the epochs, or None without training.
    """
    from agegender.training.allocator import keep_freed_memory

    config = {**config, "trainer": ranks.trainer_arguments(config["trainer"])}
    keep_freed_memory()
    import lightning as L

    from agegender.configuration.build import build
    from agegender.data.assemble import assemble
    from agegender.evaluation.results import results_table
    from agegender.runs.provenance import versions
    from agegender.training.finetuning.stages import check_freezing, ddp_strategy
    from agegender.training.log import log_to, silence_libraries
    from agegender.training.loggers.wandb import dashboards
    from agegender.training.module import AgeGenderModule

    silence_libraries()
    L.seed_everything(config["seed"], workers=True, verbose=False)
    # Everything is built before any data work, so that a mistake costs seconds.
    datamodule = assemble(config)
    callbacks = build({**config["callbacks"], **config["finetune"]}, "callbacks")
    checkpoint = run.last if resuming and run.last.exists() else None
    module = AgeGenderModule.load_from_checkpoint(checkpoint) if checkpoint else _new_module(config, datamodule)
    check_freezing(callbacks.values(), module, datamodule)
    trainer = _trainer(
        **{**config["trainer"], "strategy": ddp_strategy(config["trainer"]["strategy"], callbacks.values())},
        callbacks=[*callbacks.values(), *_progress_bar()],
        logger=_loggers(config["logger"], run.path),
        default_root_dir=run.path,
        enable_checkpointing=True,
        enable_progress_bar=_has_terminal(),
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    if trainer.world_size > 1 and config["trainer"].get("sync_batchnorm") and trainer.strategy.root_device.type == "cpu":
        raise AgeGenderError("trainer.sync_batchnorm=true: PyTorch synchronises batch norm on GPUs only")
    if trainer.is_global_zero:
        log_to(run.log)
        if not checkpoint:
            run.write_config(config)
            run.write_versions(versions(trainer.precision))
    if checkpoint and run.metrics.exists() and _finished(run, trainer.max_epochs):
        log.info("%s is complete: nothing to resume\n%s", run.path, results_table(run.read_metrics()))
        return None
    log.info("run directory: %s%s", run.path, f", continued from {checkpoint.name}" if checkpoint else "")
    with dashboards(trainer.loggers, config), ranks.one_line_if_connection_lost():
        return _fit_and_test(config, run, module, datamodule, trainer, checkpoint)


def _fit_and_test(
    config: dict[str, Any], run: RunDirectory, module: Any, datamodule: Any, trainer: Any, checkpoint: Path | None
) -> float | None:
    import torch

    from agegender.data.summary import summary
    from agegender.runs.leakage import require_same_faces
    from agegender.runs.provenance import versions
    from agegender.training.testing import test_best

    datamodule.trainer, datamodule.progress = trainer, trainer.is_global_zero
    ranks.on_rank_zero("data", lambda: datamodule.prepare_data() or "ready")  # scanned and cached once
    datamodule.setup()
    if checkpoint:  # only now it is sure that the run goes on
        require_same_faces(run, datamodule.split_csv)
        if trainer.is_global_zero:
            run.write_config(config)
            run.write_versions(versions(trainer.precision))
    if trainer.is_global_zero:
        run.write_split(datamodule.split_csv)
        run.write_seen(datamodule.table.frame)
        licenses = {name: source.license for name, source in datamodule.sources.items()}
        log.info("\n".join(summary(datamodule.table, licenses, datamodule.split_name, datamodule.split_sha256)))
    if config["compile"]:
        module.network.compile()
    if checkpoint and _finished(run, trainer.max_epochs):  # it ended before it was tested
        _restore_callbacks(run, trainer)
    else:
        trainer.fit(module.train(), datamodule=datamodule, ckpt_path=checkpoint, weights_only=True)
    best = _best_score(trainer)
    if config["test"]:
        test_best(config, run, datamodule, trainer)
    if ranks.world_size() > 1:
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()
    return best


def _trainer(**arguments: Any) -> Any:
    import lightning as L
    from lightning.fabric.utilities.exceptions import MisconfigurationException

    try:
        return L.Trainer(**arguments)
    except MisconfigurationException as error:
        raise AgeGenderError(f"trainer: {' '.join(str(error).split())}") from error


def _loggers(config: dict[str, Any], folder: Path) -> list[Any]:
    """Loggers that write into the run directory, wherever it has been moved to."""
    from agegender.configuration.build import build

    return [build({**logger, "save_dir": folder}, f"logger.{name}") for name, logger in config.items()]


def _new_module(config: dict[str, Any], datamodule: Any) -> Any:
    from agegender.training.module import AgeGenderModule

    parts = ("backbone", "pool", "trunk", "tower", "head", "gender_head", "image_size")
    return AgeGenderModule(
        network={key: config[key] for key in parts},
        **{key: config[key] for key in ("tasks", "balance", "optimizer", "schedule", "monitor", "seed")},
        about={
            "age_range": config["age_range"],
            "image_size": config["image_size"],
            "gender": {"0": "male", "1": "female", "meaning": "appearance as judged by others, binary"},
            "data": {name: source.license for name, source in datamodule.sources.items()},
        },
    )


def _best_score(trainer: Any) -> float | None:
    from agegender.training.checkpoints import EpochCheckpoint

    saver = next(c for c in trainer.callbacks if isinstance(c, EpochCheckpoint))
    return saver.best_score if saver.best_epoch >= 0 else None


def _restore_callbacks(run: RunDirectory, trainer: Any) -> None:
    from agegender.models.checkpoint import read_checkpoint

    states = read_checkpoint(run.last)["callbacks"]
    for callback in trainer.callbacks:
        if state := states.get(callback.state_key):
            callback.load_state_dict(state)


def _finished(run: RunDirectory, max_epochs: int | None) -> bool:
    from agegender.models.checkpoint import read_checkpoint

    checkpoint = read_checkpoint(run.last)
    stopped = any("stopped_epoch" in s and s["stopped_epoch"] > 0 for s in checkpoint["callbacks"].values())
    return stopped or (max_epochs is not None and checkpoint["epoch"] + 1 >= max_epochs)


def _has_terminal() -> bool:
    return sys.stderr.isatty()


def _progress_bar() -> list[Any]:
    """Redrawn every 50 steps: drawing costs more than a small model's step."""
    from lightning.pytorch.callbacks import TQDMProgressBar

    return [TQDMProgressBar(refresh_rate=50)] if _has_terminal() else []


if __name__ == "__main__":
    main()
