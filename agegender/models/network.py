"""The whole network: uint8 image -> backbone -> pooling -> trunk -> a tower and a head for each task."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from agegender.errors import AgeGenderError
from agegender.heads.base import AgeHead
from agegender.models.base import Backbone


class Network(nn.Module):
    """Normalises uint8 images with the backbone's mean and std, and maps them to one output for each task.

    Trunk, towers and heads may have lazy layers (``nn.LazyLinear``). The constructor runs one blank image through the
    network to set their sizes. This does not change the running statistics of batch norm.

    Args:
        backbone: Maps normalised images to a feature map.
        pool: Input of the trunk: the backbone's pooled features ("avg"), the flattened feature map ("flatten"), or the
            feature map itself ("none"), which the trunk or the towers must flatten.
        trunk: Layers that all tasks share.
        towers: Layers of one task only, by task. A task may be left out.
        heads: Output layer of each task, by task. Its input is [B, F].
        image_size: Side of the square images in pixels.

    Raises:
        AgeGenderError: The layers do not fit each other or the image size.
    """

    _scale: Tensor
    _shift: Tensor

    def __init__(
        self,
        backbone: Backbone,
        pool: Literal["avg", "flatten", "none"],
        trunk: Sequence[nn.Module],
        towers: Mapping[str, Sequence[nn.Module]],
        heads: Mapping[str, nn.Module],
        image_size: int,
    ) -> None:
        super().__init__()
        if pool not in ("avg", "flatten", "none"):
            raise AgeGenderError(f"pool={pool}: must be avg, flatten or none.")
        self.backbone = backbone
        self.pool = pool
        self.trunk = nn.Sequential(*trunk)
        self.towers = nn.ModuleDict({task: nn.Sequential(*towers.get(task, ())) for task in heads})
        self.heads = nn.ModuleDict(dict(heads))
        self.image_size = image_size
        # (x / 255 - mean) / std as one multiplication and one addition
        mean, std = torch.tensor(backbone.mean), torch.tensor(backbone.std)
        self.register_buffer("_scale", 1 / (255 * std), persistent=False)
        self.register_buffer("_shift", -mean / std, persistent=False)
        self._dry_run()

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Maps uint8 RGB images [B, 3, H, W] to the output of each head, by task."""
        return self.outputs(self.features(image))

    def features(self, image: Tensor) -> Tensor:
        """Maps uint8 RGB images [B, 3, H, W] to the input of the trunk: [B, F], or the feature map if pool is "none"."""
        feature_map = self.backbone(self.normalise(image))
        if self.pool == "avg":
            return self.backbone.pool(feature_map)
        return feature_map.flatten(1) if self.pool == "flatten" else feature_map

    def outputs(self, features: Tensor) -> dict[str, Tensor]:
        """Maps the result of ``features`` to the output of each head, by task."""
        shared = self.trunk(features)
        return {task: head(self.towers[task](shared)) for task, head in self.heads.items()}

    def estimate(self, outputs: Mapping[str, Tensor], distribution: bool = True) -> dict[str, Tensor]:
        """Reads age and gender from the outputs of the heads.

        Args:
            outputs: What ``forward`` or ``outputs`` returned, for one or more of the tasks.
            distribution: Also return the age distribution, which costs about as much as the rest.

        Returns:
            ``age`` in years, [B]; ``probability_female`` in 0..1, [B] (gender is binary and means appearance);
            ``age_distribution``, probabilities of the whole years of the head's age range, [B, years]. A key is missing
            if its task is; ``age_distribution`` is also missing if the age head has no distribution.
        """
        heads: Any = self.heads
        estimates = {}
        if "age" in outputs:
            estimates["age"] = heads["age"].predict(outputs["age"])
        if "gender" in outputs:
            estimates["probability_female"] = heads["gender"].probability_female(outputs["gender"])
        if distribution and "age" in outputs:
            probabilities = heads["age"].distribution(outputs["age"])
            estimates |= {} if probabilities is None else {"age_distribution": probabilities}
        return estimates

    @property
    def age_classes(self) -> tuple[int, ...]:
        """First year of each class of an age head that classifies; empty for other heads and without an age task."""
        return cast(AgeHead, self.heads["age"]).classes if "age" in self.heads else ()

    def normalise(self, image: Tensor) -> Tensor:
        """Normalises uint8 pixels to floats with the backbone's mean and std. Keeps the memory format.

        Raises:
            TypeError: The images are not uint8 [B, 3, H, W].
        """
        if image.dtype != torch.uint8 or image.ndim != 4 or image.shape[1] != 3:
            raise TypeError(
                f"images must be uint8 of shape [B, 3, H, W] with values 0..255, not {image.dtype} of shape "
                f"{list(image.shape)}: the network normalises them itself"
            )
        if not image.is_contiguous(memory_format=torch.channels_last):
            pixels = image.to(self._scale.dtype)
            return pixels.mul_(self._scale.view(3, 1, 1)).add_(self._shift.view(3, 1, 1))
        # In channels-last memory, broadcasting over channels is a loop over three values. Whole image rows with the
        # constants repeated along the row are contiguous loops, which are several times faster.
        batch, _, height, width = image.shape
        rows = image.permute(0, 2, 3, 1).reshape(batch, height, width * 3).to(self._scale.dtype)
        rows.mul_(self._scale.repeat(width)).add_(self._shift.repeat(width))
        return rows.view(batch, height, width, 3).permute(0, 3, 1, 2)

    def _dry_run(self) -> None:
        modes = [(module, module.training) for module in self.modules()]
        self.eval()
        image = torch.zeros(1, 3, self.image_size, self.image_size, dtype=torch.uint8, device=self._scale.device)
        try:
            with torch.set_grad_enabled(self.pool != "avg"):
                features = self.features(image)
            self._freeze_unreached(features)
            with torch.no_grad():
                shared = self.trunk(features)
                for task, head in self.heads.items():
                    tower = self.towers[task](shared)
                    if tower.ndim != 2:
                        raise AgeGenderError(
                            f"the {task} head needs features [B, F] but gets {list(tower.shape)}: with "
                            f"pool={self.pool} put torch.nn.Flatten into trunk.layers or the tower."
                        )
                    head(tower)
        except (RuntimeError, ValueError, AssertionError) as error:
            raise AgeGenderError(
                f"the network cannot take one image of {self.image_size} pixels (image_size, pool={self.pool}, trunk, "
                f"tower): {error}"
            ) from error
        for module, training in modes:
            module.training = training
        lazy = [name for name, parameter in self.named_parameters() if is_lazy(parameter)]
        if lazy:
            raise AgeGenderError(f"layers without a size, because no image reaches them: {', '.join(lazy)}.")

    def _freeze_unreached(self, features: Tensor) -> None:
        """Freezes the layers that a backbone has after its pooling, if the pooling is not used.

        They never get a gradient, and DDP raises an error for parameters without one.
        """
        if not features.requires_grad:
            return
        parameters = [parameter for parameter in self.backbone.parameters() if parameter.requires_grad]
        gradients = torch.autograd.grad(features.sum(), parameters, allow_unused=True)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.requires_grad_(gradient is not None)
