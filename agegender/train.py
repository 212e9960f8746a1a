"""``python -m agegender.train``: trains a model on labelled faces, measures it, and writes a run directory."""

import logging
from functools import partial
from pathlib import Path
from typing import Any

from agegender import whole_package  # noqa: F401
from agegender.configuration import job
from agegender.configuration.command import entry
from agegender.configuration.own_places import confined
from agegender.configuration.path_arguments import with_absolute_paths
from agegender.configuration.resume import continued
from agegender.configuration.schema import validate, validate_saved
from agegender.errors import AgeGenderError
from agegender.processes import ranks
from agegender.processes.interruption import advised
from agegender.processes.launch import end_with_launcher, launch, require_one_process
from agegender.runs.run_directory import RunDirectory

log = logging.getLogger("agegender.train")


@entry("train")
def main(config: dict[str, Any]) -> float | None:
    """Trains, tests and returns the best value of ``monitor`` for sweepers."""
    if ranks.launched():
        end_with_launcher()
    run = RunDirectory(job.output_dir())
    resuming = config["resume"] is not None or (job.is_of_sweep() and run.last.is_file())
    if resuming:
        if config["resume"] is not None and Path(config["resume"]).resolve() != run.path.resolve():
            raise AgeGenderError(f"hydra.run.dir={run.path}: a resumed run stays in its directory, resume={config['resume']}")
        run.require_no_links_outside()
        saved = run.read_config()
        validate_saved(saved, run.config)
        config = confined(continued(saved, job.resume_overrides(), run.path), run.path, given=config)
    elif ranks.rank() == 0:
        run.require_new()
    validate(config)
    if job.shares_process():
        require_one_process(config["trainer"])
    if not ranks.started():
        ranks.require_one_machine(config["trainer"])
    if not ranks.started() and (count := ranks.process_count(config["trainer"])) > 1:
        with advised(partial(_how_to_continue, run)):
            status = launch("agegender.train", count, run.path)
        if status:
            raise SystemExit(status)
        return None
    run = RunDirectory(ranks.on_rank_zero("run directory", lambda: str(run.path)))
    return train(with_absolute_paths(config), run, resuming)


def _how_to_continue(run: RunDirectory) -> str:
    from agegender.training.resuming import advice  # takes a second to import, and is needed after a signal only

    return advice(run)


def train(config: dict[str, Any], run: RunDirectory, resuming: bool = False) -> float | None:
    """Carries out a validated configuration in a run directory.

    Args:
        config: Plain and resolved, with the keys of ``conf/train.yaml``.
        run: Where everything is written.
        resuming: Continue after the last finished epoch of that directory, if it has one.

    Returns:
        The smallest value of ``config["monitor"]`` over the epochs; None if nothing was trained.
    """
    # Imported here because it takes seconds, and neither help nor a mistake in the configuration needs any of it.
    import lightning as L

    from agegender.configuration.build import build
    from agegender.data.assemble import assemble
    from agegender.data.crop_report import region_kinds
    from agegender.data.crops import crop_settings
    from agegender.data.seen import joined, seen_csv
    from agegender.data.summary import summary
    from agegender.evaluation.results_table import results_table
    from agegender.evaluation.unseen import require_unseen_before
    from agegender.runs.leakage import require_same_faces
    from agegender.runs.provenance import record_settings
    from agegender.training.allocator import keep_freed_memory
    from agegender.training.assemble import assemble_module
    from agegender.training.checkpoints import epoch_checkpoint
    from agegender.training.finetuning.earlier_model import EarlierModel
    from agegender.training.finetuning.stages import check_freezing
    from agegender.training.log import log_to, silence_libraries
    from agegender.training.loggers.sessions import sessions
    from agegender.training.module import AgeGenderModule
    from agegender.training.resuming import (
        advice,
        checkpoint_of,
        is_finished,
        require_same_batch,
        restore_callbacks,
    )
    from agegender.training.stopping import is_stopped
    from agegender.training.testing import measure_best
    from agegender.training.trainer import training_trainer

    keep_freed_memory()
    silence_libraries()
    config = {**config, "trainer": ranks.trainer_arguments(config["trainer"])}
    L.seed_everything(config["seed"], workers=True, verbose=False)

    # Everything is built before any work on the data, so that a mistake is reported within seconds.
    checkpoint = checkpoint_of(run) if resuming else None
    earlier = None
    if config.get("init_from") is not None and not checkpoint:
        earlier = EarlierModel.read(config["init_from"])
        earlier.require_unchanged(run)
        config["init_from"] = str(earlier.path)
    data = assemble(config, earlier.crops if earlier else None)
    config["data"] = {**config["data"], **crop_settings(data.crops)}
    licenses = {name: source.license for name, source in data.sources.items()}
    if checkpoint:
        module = AgeGenderModule.load_from_checkpoint(checkpoint)
    else:
        module = assemble_module(config, licenses, data.crops, earlier)
    loaded = earlier.load_into(module) if earlier else {}
    callbacks = build({**config["callbacks"], **config["finetune"]}, "callbacks").values()
    check_freezing(callbacks, module, data)
    trainer = training_trainer(config, run, callbacks)
    first_rank = trainer.is_global_zero
    if first_rank:
        log_to(run.log)
    finished = checkpoint is not None and is_finished(checkpoint, trainer.max_epochs)
    if finished and run.metrics.exists() and (run.read_config()["test"] or not config["test"]):
        log.info("%s is complete: nothing to resume", run.path)
        log.info("\n%s", results_table(run.read_metrics()))
        return None
    if checkpoint and not finished:
        require_same_batch(run.read_config(), config)
    log.info("run directory: %s%s", run.path, f", continued from {checkpoint.name}" if checkpoint else "")
    if first_rank and not checkpoint:
        record_settings(run, config, trainer.precision)
        if earlier:
            earlier.record(run, module, loaded)

    with advised(partial(advice, run)), sessions(trainer.loggers, config), ranks.one_line_if_connection_lost():
        data.trainer, data.progress = trainer, first_rank
        ranks.on_rank_zero("data", data.prepare_data)  # one rank scans the files and fills the cache
        data.setup()
        excluded = None
        if seen_before := earlier.seen if earlier else run.read_seen_before():
            excluded = require_unseen_before(data, seen_before, run.seen_before, config.get("seen", "refuse"))
        module.record_regions(region_kinds(data.table.frame))
        if checkpoint:
            require_same_faces(run, data.split_csv)
        if first_rank:
            record_settings(run, config, trainer.precision)  # of a resumed run not before it is certain that it continues
            run.write_split(data.split_csv)
            run.write_seen(joined(seen_csv(data.table), seen_before or ""))
            log.info(
                "\n".join(summary(data.table, licenses, data.crops, data.split_name, data.split_sha256, data.content_sha256))
            )
        if config["compile"]:
            module.network.compile()
        if finished:  # it ended before it was measured, or is now to be tested
            restore_callbacks(trainer, run.last)
        else:
            trainer.fit(module.train(), datamodule=data, ckpt_path=checkpoint, weights_only=True)
        if not is_stopped(trainer):
            measure_best(config, run, data, trainer, excluded)
        ranks.disconnect()
    return epoch_checkpoint(trainer).best


if __name__ == "__main__":
    main()
