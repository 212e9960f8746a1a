"""Any image model of timm as a backbone: normalised image -> feature map -> pooled features."""

import difflib
import sys
from collections.abc import Sequence
from typing import Any, Literal

import huggingface_hub
from huggingface_hub.utils import get_session
from torch import Tensor, nn

from agegender.errors import AgeGenderError
from agegender.input_paths import InputFile
from agegender.models.base import Backbone
from agegender.models.quick_timm import timm
from agegender.models.weights import load_weights

HUB_TIMEOUT = 5.0  # seconds


class TimmBackbone(Backbone):
    """A timm model without its classifier.

    A copy built with ``pretrained=False``, ``weights=None`` and the same mean and std reads and downloads nothing. It
    can load the state dict of this one.

    Args:
        name: Name of a timm model, with or without the tag of its pretrained weights: ``resnet50``, ``resnet50.tv_in1k``.
        image_size: Side of the images in pixels. Only models with a fixed input size, such as ViT, need it.
        pretrained: Start from timm's weights. They are downloaded from the Hugging Face hub once.
        weights: Start from a local file instead: safetensors or a torch state dict, with timm's names.
        mean: Mean of each RGB channel that the weights were trained with; None for timm's value.
        std: Standard deviation of each RGB channel that the weights were trained with; None for timm's value.
        pad_type: "same" pads like TensorFlow, which only timm's EfficientNet and MobileNet families can; None for the
            model's own padding.
        bn_momentum: Weight of a new batch in the running statistics of batch norm; None for timm's value. The default of
            Keras, momentum 0.99, is 0.01 here.

    Raises:
        AgeGenderError: timm has no such model, or its weights cannot be loaded.
    """

    def __init__(
        self,
        name: str,
        image_size: int = 224,
        pretrained: bool = False,
        weights: InputFile | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        pad_type: Literal["same"] | None = None,
        bn_momentum: float | None = None,
    ) -> None:
        super().__init__()
        _check_name(name)
        options: dict[str, Any] = {"num_classes": 0}
        config = timm.models.get_pretrained_cfg(name)
        if config is not None and config.fixed_input_size:
            self.fixed_input_size = True
            options["img_size"] = image_size
        if pad_type is not None:
            options["pad_type"] = pad_type
        download = pretrained and weights is None
        if download:
            _check_hub(name)
        try:
            net: Any = timm.create_model(name, pretrained=download, **options)
        except OSError as error:  # errors of the hub's client, and broken connections
            raise _no_pretrained(name, error) from error
        except (TypeError, ValueError, RuntimeError, AssertionError) as error:
            raise AgeGenderError(f"backbone.name={name}: timm cannot build it with {options}: {error}") from error

        if isinstance(net, timm.models.vgg.VGG):
            # Without the two layers of 4096 features, which hold nine tenths of the weights: papers fine-tune the
            # convolutional layers only.
            net.pre_logits = nn.Identity()  # type: ignore[assignment]
            net.head_hidden_size = net.num_features
        if weights is not None:
            timm_file = sys.modules[type(net).__module__]
            load_weights(net, weights, getattr(timm_file, "checkpoint_filter_fn", None))

        if bn_momentum is not None:
            for module in net.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.momentum = bn_momentum

        data_config = timm.data.resolve_model_data_config(net)
        self.mean = [float(value) for value in (data_config["mean"] if mean is None else mean)]
        self.std = [float(value) for value in (data_config["std"] if std is None else std)]
        self.num_features = int(net.head_hidden_size)
        self.net = net

    def forward(self, image: Tensor) -> Tensor:
        """Maps normalised images [B, 3, H, W] to the feature map: [B, C, h, w], or [B, tokens, C] for transformers."""
        return self.net.forward_features(image)

    def pool(self, feature_map: Tensor) -> Tensor:
        """Maps the feature map to [B, num_features] by the model's own pooling and its layers before the classifier."""
        return self.net.forward_head(feature_map, pre_logits=True)

    def depth_groups(self) -> list[list[str]]:
        """Names of the parameters in timm's groups by depth, the group nearest the image first."""
        groups = timm.models.group_parameters(self.net, self.net.group_matcher(coarse=False))
        return [[f"net.{name}" for name in groups[depth]] for depth in sorted(groups)]

    def cam_layer(self) -> nn.Module:
        """The first norm of the last block in a vision transformer; the backbone itself in other models.

        After the last block, only the class token of a transformer reaches the heads.
        """
        blocks = getattr(self.net, "blocks", None)
        last = blocks[-1] if isinstance(blocks, nn.Sequential | nn.ModuleList) else None
        return getattr(last, "norm1", self)

    def as_map(self, output: Tensor) -> Tensor:
        """Rearranges [B, tokens, C] or [B, h, w, C] to [B, C, h, w]; class and register tokens are left out.

        Raises:
            AgeGenderError: The tokens are not one for each patch of the image.
        """
        if output.ndim == 4:
            return output.permute(0, 3, 1, 2) if getattr(self.net, "output_fmt", "NCHW") == "NHWC" else output
        height, width = getattr(getattr(self.net, "patch_embed", None), "grid_size", None) or (0, 0)
        if not 0 < height * width <= output.shape[1]:
            raise AgeGenderError(f"no map of {type(self.net).__name__}: its tokens are not one for each patch of the image")
        return output[:, -height * width :].transpose(1, 2).unflatten(2, (height, width))


def _check_name(name: str) -> None:
    """Raises an error that lists similar names if timm does not know the name or its tag."""
    architecture, _, tag = name.partition(".")
    if not timm.models.is_model(architecture):
        close = difflib.get_close_matches(architecture, timm.list_models(), n=5, cutoff=0.5)
        hint = f"Did you mean {', '.join(close)}?" if close else "timm.list_models() lists the names."
        raise AgeGenderError(f"backbone.name={name}: timm {timm.__version__} has no such model. {hint}")
    known = timm.models.get_arch_pretrained_cfgs(architecture)
    if tag and name not in known:
        raise AgeGenderError(f"backbone.name={name}: timm has no weights with this tag. It has {', '.join(known)}.")


def _check_hub(name: str) -> None:
    """Raises an error if weights must be downloaded and the hub does not answer.

    The hub's own client retries for a minute or more before it fails.
    """
    config = timm.models.get_pretrained_cfg(name)
    if config is None or not config.has_weights:
        raise AgeGenderError(f"backbone.name={name}: timm has no weights for it, so set backbone.pretrained=false.")
    if not config.hf_hub_id:  # the weights are on another site
        return
    if isinstance(huggingface_hub.try_to_load_from_cache(config.hf_hub_id, "model.safetensors"), str):
        return
    try:
        get_session().head(huggingface_hub.constants.ENDPOINT, timeout=HUB_TIMEOUT)
    except Exception as error:  # the hub's interface does not say which errors its HTTP library raises
        raise _no_pretrained(name, error) from error


def _no_pretrained(name: str, error: Exception) -> AgeGenderError:
    reason = str(error).strip().split("\n")[0]
    return AgeGenderError(
        f"backbone.pretrained=true: cannot fetch timm's weights of {name} from {huggingface_hub.constants.ENDPOINT} "
        f"({reason}). Without a network, start from random weights with backbone.pretrained=false or from a local file "
        "with backbone.weights=FILE."
    )
