"""The hooks of a step that Lightning need not call, and the question for a GPU that it need not repeat."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import Callback, LambdaCallback
from lightning.pytorch.trainer.call import _call_lightning_module_hook

from agegender.data.assemble import assemble
from agegender.runs.run_directory import RunDirectory
from agegender.training.assemble import assemble_module
from agegender.training.checkpoints import EpochCheckpoint
from agegender.training.module import AgeGenderModule
from agegender.training.step_cost import HOOK_NAME, NVML_CHECK, STEP_HOOKS, NoProfiler, PlainHookName, ask_cuda_directly
from agegender.training.trainer import training_trainer


class Counter(Callback):
    """Counts the hooks of a step that it defines."""

    def __init__(self) -> None:
        self.calls: dict[str, int] = {}


def counting(hook: str) -> Callable[..., None]:
    def called(self: Counter, *_: Any) -> None:
        self.calls[hook] = self.calls.get(hook, 0) + 1

    return called


class Every(Counter):
    """Defines all of them."""


for name in STEP_HOOKS:
    setattr(Every, name, counting(name))


class Inherits(Every):
    """Inherits them."""


class OnlyLast(Counter):
    """Defines one."""

    on_train_batch_end = counting("on_train_batch_end")


def test_hooks_that_are_defined_are_called_and_the_others_are_hidden(
    configure: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    config = configure("trainer.max_epochs=1", "trainer.limit_val_batches=0", "logger=none", "~callbacks.early_stopping")
    data, callbacks, losses = assemble(config), [Every(), Inherits(), OnlyLast()], []
    given = LambdaCallback(on_before_backward=lambda trainer, module, loss: losses.append(float(loss.detach())))

    trainer = training_trainer(config, RunDirectory(tmp_path), [*callbacks, given, EpochCheckpoint("train/loss")])
    data.trainer = trainer
    data.prepare_data()
    trainer.fit(assemble_module(config, {}, data.crops).train(), datamodule=data)
    every, inherits, last = callbacks
    steps = trainer.global_step
    assert steps > 1 and every.calls == inherits.calls == dict.fromkeys(STEP_HOOKS, steps)
    assert last.calls == {"on_train_batch_end": steps} and len(losses) == steps
    assert isinstance(trainer.profiler, NoProfiler)
    hidden = [getattr(last, hook) for hook in STEP_HOOKS if hook != "on_train_batch_end"]
    assert hidden == [None] * (len(STEP_HOOKS) - 1)


@pytest.mark.parametrize("gpu", [False, True])
def test_only_a_process_without_a_gpu_asks_for_one_without_the_library(gpu: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NVML_CHECK, "1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    ask_cuda_directly()
    assert os.environ.get(NVML_CHECK) == ("1" if gpu else None)


class Module(PlainHookName, L.LightningModule):
    """Notes the name of the hook that Lightning calls."""

    def on_fit_start(self) -> None:
        self.noted = getattr(self, HOOK_NAME)


def test_a_module_knows_its_hook_and_registers_its_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    assert issubclass(AgeGenderModule, PlainHookName)
    module = Module()
    checked: list[str] = []
    usual = torch.nn.Module.__setattr__
    monkeypatch.setattr(torch.nn.Module, "__setattr__", lambda self, *pair: checked.append(pair[0]) or usual(self, *pair))
    _call_lightning_module_hook(L.Trainer(barebones=True), "on_fit_start", pl_module=module)
    module.weight = torch.nn.Parameter(torch.zeros(2))
    module.part = torch.nn.Linear(1, 1)
    assert module.noted == "on_fit_start" and getattr(module, HOOK_NAME) is None
    assert [name for name, _ in module.named_parameters()] == ["weight", "part.weight", "part.bias"]
    assert checked[0] == "noted" and HOOK_NAME not in checked
