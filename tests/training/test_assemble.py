"""A module built from a configuration holds what the configuration says."""

from collections.abc import Callable
from typing import Any

from agegender.sources.crop import Crop
from agegender.training.assemble import assemble_module


def test_sections_and_what_a_user_must_know_are_in_the_module(configure: Callable[..., dict[str, Any]]) -> None:
    config = configure("tasks=[gender,age]", "head=laplace", "optimizer.lr=0.5", "seed=4", "age_range=[1,90]")
    module = assemble_module(config, {"utkface": "for research", "toyfaces": "free"}, {"toyfaces": Crop(scale=0.8)})
    assert type(module.network.heads["age"]).__name__ == "Laplace"
    assert module.network.image_size == 16
    assert list(module.network.heads) == module.hparams["tasks"] == ["gender", "age"]
    assert (module.optimizer.lr, module.hparams["seed"]) == (0.5, 4)
    about = module.hparams["about"]
    assert about["age_range"] == [1, 90]
    assert list(about["data"].items()) == [("utkface", "for research"), ("toyfaces", "free")]
    assert about["crops"] == {"toyfaces": {"fit": "crop", "scale": 0.8, "outside": "reflect"}}
    assert "appearance" in about["gender"]["meaning"]
