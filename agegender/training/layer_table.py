"""The layers of the network with shapes and parameters, and its cost, in the run directory."""

from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn

from agegender.models.cost import count
from agegender.models.network import Network
from agegender.runs.run_directory import RunDirectory
from agegender.training.module import AgeGenderModule

COLUMNS = ("layer", "kind", "output of one image", "parameters", "that train")
ALIGNED = "<<<>>"


class LayerTable(Callback):
    """Writes ``layers.txt`` and ``model.json`` when training starts. A weight that trains in any epoch counts as trainable."""

    writes = ("layers", "model")

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Writes the table and the counts on rank 0."""
        assert isinstance(pl_module, AgeGenderModule)
        if trainer.is_global_zero:
            run = RunDirectory(trainer.default_root_dir)
            run.write_layers(layer_table(pl_module.network))
            run.write_model(count(pl_module.network))


def layer_table(network: Network) -> str:
    """Lists every layer with its output shape, its number of parameters and of trainable ones; the last line is the sum.

    A layer is a module without submodules, or one with parameters of its own. The shape is that of its last output for
    one image, without the batch dimension, and "-" if no image reaches the layer.
    """
    layers = {name: module for name, module in network.named_modules() if _is_layer(module)}
    shapes = _shapes(network, layers)
    rows = [COLUMNS]
    rows += [(name, type(layer).__name__, shapes.get(name, "-"), *_counts(layer, False)) for name, layer in layers.items()]
    rows += [("all", "", "", *_counts(network, True))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map("{:{}{}}".format, row, ALIGNED, widths)).rstrip() for row in rows]
    return "\n".join(lines) + "\n"


def _is_layer(module: nn.Module) -> bool:
    leaf = not list(module.children()) and not isinstance(module, nn.Identity | nn.Sequential)
    return leaf or bool(list(module.parameters(recurse=False)))


def _counts(module: nn.Module, recurse: bool) -> tuple[str, str]:
    parameters = list(module.parameters(recurse))
    return f"{sum(p.numel() for p in parameters):,}", f"{sum(p.numel() for p in parameters if p.requires_grad):,}"


@torch.no_grad()
def _shapes(network: Network, layers: dict[str, nn.Module]) -> dict[str, str]:
    """Output shapes of the layers for one image, without the batch dimension."""
    shapes: dict[str, str] = {}

    def remember(name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor):
                shapes[name] = " x ".join(map(str, output.shape[1:]))

        return hook

    hooks = [module.register_forward_hook(remember(name)) for name, module in layers.items()]
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    image = torch.zeros(1, 3, network.image_size, network.image_size, dtype=torch.uint8, device=network._scale.device)
    network.forward(image)  # network(image) would skip the hooks of a compiled network
    for module, training in modes:
        module.training = training
    for hook in hooks:
        hook.remove()
    return shapes
