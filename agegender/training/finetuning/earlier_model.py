"""The earlier model that a training starts from (``init_from``): its weights, and what the training inherits from it."""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from agegender.configuration.model_name import part_name
from agegender.data.seen import SeenImages
from agegender.errors import AgeGenderError
from agegender.inference import bundle, safetensors_bundle
from agegender.models.checkpoint import PREFIX, errors_named, read_model, recorded_crops, without_weights
from agegender.models.transfer import PartTransfer, transfer, transfer_lines
from agegender.runs.chain import Stage, chain_of, write_chain
from agegender.runs.run_directory import RunDirectory
from agegender.sources.crop import Crop
from agegender.training.module import AgeGenderModule

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EarlierModel:
    """An earlier model.

    Attributes:
        path: The run directory, checkpoint or bundle, absolute.
        network: Sections of its configuration that ``build_network`` takes.
        weights: State dict of its ``Network``.
        crops: The crop of each dataset that it was trained on.
        chain: All trainings behind it, the oldest first; the last one is its own.
        seen: Hashes of the images that it and those before it have learned from, as in ``seen.txt``; None if not recorded.
        seen_file: Where they are recorded.
    """

    path: Path
    network: dict[str, Any]
    weights: dict[str, Tensor]
    crops: dict[str, Crop]
    chain: tuple[Stage, ...]
    seen: str | None
    seen_file: Path

    @classmethod
    def read(cls, path: str | Path) -> "EarlierModel":
        """Reads a run directory, a checkpoint of a run, or a bundle of ``agegender.export --format safetensors``.

        Raises:
            AgeGenderError: It is none of them, or damaged. Nothing in it is run.
        """
        path = Path(path).expanduser().absolute()
        try:
            if (path / safetensors_bundle.WEIGHTS).is_file():
                return cls._of_bundle(path)
            if path.suffix in (".onnx", ".pt2") or bundle.is_bundle(path) or any(path.glob("*.pt2")):
                raise AgeGenderError(f"{path}: cannot be trained further; export the run with --format safetensors")
            if path.is_file():
                run = RunDirectory(path.parent.parent)
                return cls._of_checkpoint(path, path, run if path.parent == run.best.parent and run.config.is_file() else None)
            run = RunDirectory(path)
            if run.config.is_file():
                return cls._of_checkpoint(path, run.best, run)
        except AgeGenderError as error:
            raise AgeGenderError(f"init_from: {error}") from error
        raise AgeGenderError(
            f"init_from={path}: "
            + (
                "neither a run directory (it has no config.yaml) nor a safetensors bundle"
                if path.exists()
                else "does not exist"
            )
        )

    @classmethod
    def _of_checkpoint(cls, path: Path, checkpoint: Path, run: RunDirectory | None) -> "EarlierModel":
        arguments, weights = read_model(checkpoint)
        weights = {name.removeprefix(PREFIX): weight for name, weight in weights.items() if name.startswith(PREFIX)}
        seen = run.read_seen() if run and run.seen.exists() else None
        return cls._of(path, checkpoint, arguments, weights, seen, run)

    @classmethod
    def _of_bundle(cls, path: Path) -> "EarlierModel":
        arguments, weights, seen = safetensors_bundle.read_safetensors(path)
        return cls._of(path, path / safetensors_bundle.WEIGHTS, arguments, weights, seen, None)

    @classmethod
    def _of(
        cls, path: Path, file: Path, arguments: Mapping[str, Any], weights: Mapping[str, Any], seen: str | None,
        run: RunDirectory | None,
    ) -> "EarlierModel":  # fmt: skip
        seen_file = run.seen if run else path / safetensors_bundle.SEEN
        with file.open("rb") as opened:
            sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
        with errors_named(file):
            about = arguments["about"]
            try:
                number = None if seen is None else len(SeenImages.parsed(seen).sha256)
            except ValueError as error:
                raise AgeGenderError(f"{seen_file}: {error}") from error
            before = chain_of(run) if run else ()
            before = before or tuple(Stage(**stage) for stage in about.get("earlier") or ())
            own = Stage(dict(about["data"]), sha256, number, str(path), run.read_config() if run else None)
            tensors = {name: weight for name, weight in weights.items() if isinstance(weight, Tensor)}
            network = without_weights(arguments["network"])
            return cls(path, network, tensors, recorded_crops(about), (*before, own), seen, seen_file)

    def preprocessed(self, network: Mapping[str, Any]) -> dict[str, Any]:
        """The configuration of a new network without pretrained weights, with the mean and std of this one where it has none.

        Args:
            network: Sections of the configuration that ``build_network`` takes.
        """
        network = without_weights(network)
        for name in ("mean", "std"):
            ours, theirs = network["backbone"].get(name), self.network["backbone"].get(name)
            if name in network["backbone"] and ours is None:
                network["backbone"][name] = theirs
        return network

    def load_into(self, module: AgeGenderModule) -> dict[str, PartTransfer]:
        """Copies the weights that fit by name and shape into the network of a module, in place.

        Returns:
            What was loaded of each part of the network.

        Raises:
            AgeGenderError: No weight of the backbone fits, or its weights are of another image size.
        """
        network = module.network
        parts = transfer(network, self.weights)
        backbone, size = parts["backbone"], self.network.get("image_size")
        if backbone.loaded and backbone.other_shape and network.backbone.fixed_input_size and size != network.image_size:
            raise AgeGenderError(
                f"image_size={network.image_size}: the backbone takes one image size only, and that of init_from={self.path} "
                f"was trained with image_size={size}"
            )
        if not backbone.loaded:
            theirs, ours = (part_name(config, "backbone") for config in (self.network, module.hparams["network"]))
            raise AgeGenderError(
                f"init_from={self.path}: no weight of its backbone {theirs} fits the backbone {ours} of this run: choose the "
                "same backbone with the same settings"
            )
        module.random_backbone = False
        return parts

    def record(self, run: RunDirectory, module: AgeGenderModule, parts: Mapping[str, PartTransfer]) -> None:
        """Writes the chain of trainings and the images they have learned from into a run directory, and logs what was loaded.

        Args:
            run: The run that starts from this model.
            module: Its module.
            parts: What ``load_into`` returned.
        """
        write_chain(run, self.chain, {name: [len(part.loaded), part.total] for name, part in parts.items()})
        if self.seen is not None:
            run.write_seen_before(self.seen)
        for line in [f"weights of init_from={self.path}:", *transfer_lines(parts)]:
            log.info("%s", line)
        for number, stage in enumerate(self.chain, 1):
            log.info("earlier training %d: %s", number, stage)
            for name, license in stage.data.items():
                log.info("  licence of %s: %s", name, license)
            if stage.seen is None:
                log.warning(
                    "earlier training %d: it has no seen.txt, so it is not checked whether test faces are among its training "
                    "images", number,
                )  # fmt: skip
        for name in ("mean", "std"):
            ours, theirs = getattr(module.network.backbone, name), self.network["backbone"].get(name)
            if theirs is not None and list(ours) != list(theirs):
                log.warning("backbone.%s=%s: the model of init_from was trained with %s", name, list(ours), list(theirs))

    def require_unchanged(self, run: RunDirectory) -> None:
        """Checks that this is the model that a run started from, if it has started before.

        Raises:
            AgeGenderError: It is another one.
        """
        before = chain_of(run)
        if before and before[-1].sha256 != self.chain[-1].sha256:
            raise AgeGenderError(
                f"init_from={self.path}: its weights have changed since the run in {run.path} began; start a new run"
            )
