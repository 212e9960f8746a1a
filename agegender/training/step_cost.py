"""What Lightning and PyTorch do in every step though nobody needs it, and how to leave it out. It changes no result."""

import os
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.profilers import PassThroughProfiler

STEP_HOOKS = (
    "on_train_batch_start", "on_before_zero_grad", "on_before_backward", "on_after_backward", "on_before_optimizer_step",
    "on_train_batch_end",
)  # fmt: skip
NVML_CHECK = "PYTORCH_NVML_BASED_CUDA_CHECK"
HOOK_NAME = "_current_fx_name"


class PlainHookName:
    """A base class for a LightningModule that stores the name of the current hook without the checks of ``nn.Module``.

    Lightning sets this name about 46 times a step. The search for parameters and buffers in it takes 2.5 us each time.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if name == HOOK_NAME:
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)


class NoProfiler(PassThroughProfiler):
    """Measures nothing. Lightning enters a profiler about 80 times a step; its own creates a generator each time."""

    _nothing = nullcontext()

    def profile(self, action_name: str) -> AbstractContextManager[None]:  # type: ignore[override]
        """A context that does nothing."""
        return self._nothing


def skip_empty_hooks(callbacks: Iterable[Callback]) -> None:
    """Hides the hooks of a training step that a callback does not define. Lightning calls all six of every callback."""
    for callback in callbacks:
        for hook in STEP_HOOKS:
            if hook not in vars(callback) and getattr(type(callback), hook) is getattr(Callback, hook):
                setattr(callback, hook, None)  # Lightning skips what cannot be called


def ask_cuda_directly() -> None:
    """Lets PyTorch remember that there is no GPU.

    Lightning makes it load NVIDIA's management library to find out, so that a process with a GPU can fork. Adam asks in every
    step, and without a GPU the library is looked for in every step.
    """
    if not torch.cuda.is_available():
        os.environ.pop(NVML_CHECK, None)
