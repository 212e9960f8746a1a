"""Optimizers: separate learning rates for the backbone and the rest, no weight decay of norms and biases by default."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from agegender.errors import AgeGenderError
from agegender.models.base import Backbone
from agegender.processes import ranks
from agegender.training.lr_scaling import LrScaling, factor
from agegender.training.setting_checks import require

FUSED_DEVICES = ("cpu", "cuda")


@dataclass(frozen=True)
class Adam:
    """Adam (Kingma & Ba 2015); weight decay is an L2 penalty in the gradient.

    Args:
        lr: Learning rate of trunk, towers, heads and task balance.
        backbone_lr_scale: Learning rate of the backbone as a multiple of ``lr``.
        layer_decay: Learning rate of a depth group of the backbone as a multiple of the rate of the next deeper group;
            see ``parameter_groups``.
        weight_decay: Weight decay; ``parameter_groups`` says which parameters it applies to.
        betas: Decay rates of the running means of the gradient and of its square.
        eps: Added to the denominator.
        decay_norms_and_biases: Apply weight decay to norms, biases and embeddings too.
        lr_scaling: Multiply all learning rates by the number of processes (``linear``), by its square root (``sqrt``), or
            leave them (``none``); see ``agegender.training.lr_scaling``.

    Raises:
        AgeGenderError: A value is out of range.
    """

    lr: float = 1e-3
    backbone_lr_scale: float = 1.0
    layer_decay: float = 1.0
    weight_decay: float = 0.0
    betas: Sequence[float] = (0.9, 0.999)
    eps: float = 1e-8
    decay_norms_and_biases: bool = False
    lr_scaling: LrScaling = "none"

    def __post_init__(self) -> None:
        """Rejects values out of range."""
        _check(self)

    def build(self, model: nn.Module) -> torch.optim.Optimizer:
        """Creates the optimizer of a model's trainable parameters."""
        return _build(torch.optim.Adam, self, model, betas=tuple(self.betas), eps=self.eps)


@dataclass(frozen=True)
class AdamW:
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019).

    Args:
        lr: Learning rate of trunk, towers, heads and task balance.
        backbone_lr_scale: Learning rate of the backbone as a multiple of ``lr``.
        layer_decay: Learning rate of a depth group of the backbone as a multiple of the rate of the next deeper group;
            see ``parameter_groups``.
        weight_decay: Weight decay; ``parameter_groups`` says which parameters it applies to.
        betas: Decay rates of the running means of the gradient and of its square.
        eps: Added to the denominator.
        decay_norms_and_biases: Apply weight decay to norms, biases and embeddings too.
        lr_scaling: Multiply all learning rates by the number of processes (``linear``), by its square root (``sqrt``), or
            leave them (``none``); see ``agegender.training.lr_scaling``.

    Raises:
        AgeGenderError: A value is out of range.
    """

    lr: float = 1e-3
    backbone_lr_scale: float = 1.0
    layer_decay: float = 1.0
    weight_decay: float = 0.01
    betas: Sequence[float] = (0.9, 0.999)
    eps: float = 1e-8
    decay_norms_and_biases: bool = False
    lr_scaling: LrScaling = "none"

    def __post_init__(self) -> None:
        """Rejects values out of range."""
        _check(self)

    def build(self, model: nn.Module) -> torch.optim.Optimizer:
        """Creates the optimizer of a model's trainable parameters."""
        return _build(torch.optim.AdamW, self, model, betas=tuple(self.betas), eps=self.eps)


@dataclass(frozen=True)
class SGD:
    """Stochastic gradient descent with momentum.

    Args:
        lr: Learning rate of trunk, towers, heads and task balance.
        backbone_lr_scale: Learning rate of the backbone as a multiple of ``lr``.
        layer_decay: Learning rate of a depth group of the backbone as a multiple of the rate of the next deeper group;
            see ``parameter_groups``.
        weight_decay: Weight decay; ``parameter_groups`` says which parameters it applies to.
        momentum: Decay rate of the running sum of gradients; 0 turns momentum off.
        nesterov: Use Nesterov momentum (Nesterov 1983).
        decay_norms_and_biases: Apply weight decay to norms, biases and embeddings too.
        lr_scaling: Multiply all learning rates by the number of processes (``linear``), by its square root (``sqrt``), or
            leave them (``none``); see ``agegender.training.lr_scaling``.

    Raises:
        AgeGenderError: A value is out of range.
    """

    lr: float = 1e-2
    backbone_lr_scale: float = 1.0
    layer_decay: float = 1.0
    weight_decay: float = 1e-4
    momentum: float = 0.9
    nesterov: bool = True
    decay_norms_and_biases: bool = False
    lr_scaling: LrScaling = "none"

    def __post_init__(self) -> None:
        """Rejects values out of range."""
        _check(self)

    def build(self, model: nn.Module) -> torch.optim.Optimizer:
        """Creates the optimizer of a model's trainable parameters."""
        return _build(torch.optim.SGD, self, model, momentum=self.momentum, nesterov=self.nesterov)


def parameter_groups(
    model: nn.Module,
    lr: float,
    backbone_lr_scale: float,
    layer_decay: float,
    weight_decay: float,
    decay_norms_and_biases: bool,
) -> list[dict[str, Any]]:
    """Sorts the trainable parameters into groups: backbone or head, with or without weight decay. Each is in one group.

    Weight decay does not apply to parameters with at most one dimension (norms and biases), nor to those that a timm
    model lists in ``no_weight_decay`` (position embeddings, class tokens). It never applies to ``balance``, where it
    would pull the weights of the tasks towards one.

    Layer-wise learning-rate decay follows BEiT (Bao et al. 2022) as implemented in timm. Of n depth groups of the
    backbone, the deepest has layer_decay times the backbone's rate, the one before it layer_decay^2, and the one
    nearest the image layer_decay^n.

    Args:
        model: A module that has the backbone, at any depth, as ``backbone`` and the task balance as ``balance``.
        lr: Learning rate of everything outside the backbone.
        backbone_lr_scale: Learning rate of the backbone as a multiple of ``lr``.
        layer_decay: Above 0 and at most 1; 1 gives all depths the same rate.
        weight_decay: Weight decay of the groups that have it.
        decay_norms_and_biases: Apply weight decay to everything except ``balance``.

    Returns:
        Parameter groups with a ``name``: "backbone/decay", "backbone/no_decay", "head/decay", "head/no_decay". With
        layer-wise decay those of the backbone carry their depth, as in "backbone/0/decay". Empty groups are left out.

    Raises:
        AgeGenderError: No parameter is trainable.
    """
    spared = {
        f"{prefix}.{name}" if prefix else name
        for prefix, module in model.named_modules()
        if callable(listed := getattr(module, "no_weight_decay", None))
        for name in listed()
    }
    depths = _depths(model) if layer_decay < 1 else {}
    total = max(depths.values(), default=-1) + 1
    groups: dict[tuple[str, int, str], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        path = name.split(".")
        decayed = "balance" not in path and (decay_norms_and_biases or (parameter.ndim > 1 and name not in spared))
        part = "backbone" if "backbone" in path else "head"
        groups.setdefault((part, depths.get(name, total), "decay" if decayed else "no_decay"), []).append(parameter)
    if not groups:
        raise AgeGenderError("nothing to train: every parameter of the model is frozen")
    return [
        {
            "name": f"{part}/{depth}/{decay}" if depth < total else f"{part}/{decay}",
            "params": groups[part, depth, decay],
            "lr": lr * (backbone_lr_scale if part == "backbone" else 1.0) * layer_decay ** (total - depth),
            "weight_decay": weight_decay if decay == "decay" else 0.0,
        }
        for part, depth, decay in sorted(groups)
    ]


def _depths(model: nn.Module) -> dict[str, int]:
    """Depth of each parameter of the backbone; 0 is nearest the image."""
    return {
        f"{prefix}.{name}": depth
        for prefix, module in model.named_modules()
        if isinstance(module, Backbone)
        for depth, names in enumerate(module.depth_groups())
        for name in names
    }


def _check(options: Adam | AdamW | SGD) -> None:
    require(options.lr > 0, "optimizer.lr", options.lr, "above 0")
    require(options.backbone_lr_scale >= 0, "optimizer.backbone_lr_scale", options.backbone_lr_scale, "at least 0")
    require(0 < options.layer_decay <= 1, "optimizer.layer_decay", options.layer_decay, "above 0 and at most 1")
    require(options.weight_decay >= 0, "optimizer.weight_decay", options.weight_decay, "at least 0")
    if isinstance(options, SGD):
        require(0 <= options.momentum < 1, "optimizer.momentum", options.momentum, "at least 0 and below 1")
        require(options.momentum > 0 or not options.nesterov, "optimizer.nesterov", options.nesterov, "false without momentum")
    else:
        betas = list(options.betas)
        require(
            len(betas) == 2 and all(0 <= beta < 1 for beta in betas),
            "optimizer.betas",
            betas,
            "two numbers, each at least 0 and below 1",
        )
        require(options.eps >= 0, "optimizer.eps", options.eps, "at least 0")


def _build(
    kind: type[torch.optim.Optimizer], options: Adam | AdamW | SGD, model: nn.Module, **arguments: Any
) -> torch.optim.Optimizer:
    groups = parameter_groups(
        model,
        options.lr * factor(options.lr_scaling, ranks.world_size()),
        options.backbone_lr_scale,
        options.layer_decay,
        options.weight_decay,
        options.decay_norms_and_biases,
    )
    fused = all(parameter.device.type in FUSED_DEVICES for group in groups for parameter in group["params"])
    optimizer = kind(groups, lr=options.lr, fused=fused or None, **arguments)  # type: ignore[call-arg]
    # With trainer.precision=16-mixed a fused step would unscale the gradients itself, too late to clip them, and
    # Lightning rejects the combination. So the gradient scaler unscales them, as for any other optimizer.
    optimizer._step_supports_amp_scaling = False  # type: ignore[attr-defined]
    return optimizer
