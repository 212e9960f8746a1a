"""Data, training and published metrics of every experiment against a table typed from the papers, not from the files.

Where a paper is silent the table holds the choice that the file's header names. Layers are tested in test_nets.py.
"""

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from agegender.configuration.paths import CONF

Experiment = Callable[..., dict[str, Any]]
Table = dict[str, Any]

NEVER = None  # early stopping
FLIP = {"is": "Flip", "probability": 0.5}
GEOMETRIC = {"is": "Geometric", "flip": 0.5, "rotation": 36.0, "zoom": 0.1, "translation": 0.1, "contrast": 0.1}
L1_IN_YEARS = {"is": "Regression", "loss": "l1", "target": "years", "center": 0.0, "relu": False}
BCE, CROSS_ENTROPY = {"is": "GenderBCE"}, {"is": "GenderCrossEntropy"}
CONSTANT = {"is": "Constant", "warmup_epochs": 0.0}
FROZEN = {"frozen": {"is": "Frozen", "views": None}}


def adam(lr: float, eps: float = 1e-8) -> Table:
    return {
        "is": "Adam", "lr": lr, "backbone_lr_scale": 1.0, "layer_decay": 1.0, "weight_decay": 0.0, "betas": [0.9, 0.999],
        "eps": eps, "decay_norms_and_biases": False, "lr_scaling": "none",
    }  # fmt: skip


def adamw(lr: float, weight_decay: float, **other: Any) -> Table:
    return adam(lr) | {"is": "AdamW", "weight_decay": weight_decay} | other


def two_stage(layers: int) -> Table:
    return {"two_stage": {"is": "TwoStage", "epochs": 10, "layers": layers, "lr": 1e-5, "weight_decay": 1e-6, "views": None}}


def task_weights(age: float, gender: float) -> Table:
    return {"is": "Fixed", "age": age, "gender": gender}


ANY = {
    "data": ["utkface"], "subset": None, "age_range": [0, 116], "sampler": {"is": "PlainSampler"}, "tasks": ["age", "gender"],
    "pool": "avg", "batch_size": 32, "gradient_clip_val": None, "accumulate_grad_batches": 1, "precision": "32-true",
    "finetune": {}, "crop": (None, None, None), "views": "one", "mixup": None, "limit_train_batches": None,
}  # fmt: skip
AGE = {"tasks": ["age"], "monitor": "val/age_distance", "gender_head": None, "balance": None}
GENDER = {"tasks": ["gender"], "monitor": "val/gender_error", "head": None, "balance": None}

PAPER_1 = ANY | {
    "image_size": 224, "fractions": [0.8, 0.2, 0.0], "backbone": "tf_efficientnet_b0.aa_in1k", "augment": {"is": "Unchanged"},
    "head": L1_IN_YEARS, "gender_head": BCE, "balance": task_weights(age=0.1, gender=1.0), "optimizer": adam(1e-4, eps=1e-7),
    "schedule": CONSTANT, "batch_size": 16, "epochs": 30, "patience": 5, "monitor": "val/loss",
}  # fmt: skip
PAPER_2 = ANY | {
    "image_size": 224, "fractions": [0.8, 0.1, 0.1], "augment": FLIP, "head": L1_IN_YEARS, "gender_head": BCE,
    "optimizer": adam(1e-3), "schedule": CONSTANT, "epochs": 30, "patience": 10, "finetune": FROZEN,
}  # fmt: skip
PAPER_3 = ANY | {
    "image_size": 224, "fractions": [0.8, 0.1, 0.1], "backbone": "efficientnet_b2", "head": L1_IN_YEARS,
    "augment": {"is": "Standard", "flip": 0.5, "brightness": 0.3, "contrast": 0.3, "light_probability": 0.5, "blur": [3, 7],
                "blur_probability": 0.2, "holes": 4, "hole_size": 30, "holes_probability": 0.3, "rotation": 0,
                "zoom": 0, "translation": 0},
    "gender_head": CROSS_ENTROPY, "balance": task_weights(age=1.0, gender=0.5),
    "optimizer": adamw(1e-3, 0.01, backbone_lr_scale=0.1),
    "schedule": {"is": "Cosine", "warmup_epochs": 1.0, "end_scale": 0.0},
    "epochs": 20, "patience": NEVER, "monitor": "val/age_distance",
}  # fmt: skip
PAPER_4 = ANY | {
    "image_size": 128, "fractions": [0.8, 0.2, 0.0], "subset": 5000, "backbone": "CustomCNN", "pool": "flatten",
    "augment": GEOMETRIC, "head": L1_IN_YEARS, "gender_head": BCE, "balance": task_weights(age=1.0, gender=1.0),
    "optimizer": adamw(5e-5, 1e-5, eps=1e-7, decay_norms_and_biases=True), "schedule": CONSTANT, "batch_size": 64,
    "epochs": 60, "patience": NEVER, "monitor": "val/age_distance",
}  # fmt: skip
VGG16 = PAPER_4 | {
    "backbone": "vgg16", "optimizer": adamw(1e-4, 1e-5, eps=1e-7, decay_norms_and_biases=True), "epochs": 10 + 25,
    "finetune": two_stage(layers=4),
}  # fmt: skip
PAPER_5 = ANY | AGE | {
    "image_size": 224, "fractions": [0.7, 0.15, 0.15], "augment": FLIP, "optimizer": adam(1e-3), "schedule": CONSTANT,
    "head": {"is": "AgeBins", "edges": [0, 26, 51, 76], "readout": "bin"}, "epochs": 10, "patience": NEVER,
    "monitor": "val/age_class_error", "finetune": FROZEN,
}  # fmt: skip
PAPLHAM = ANY | AGE | {
    "data": ["UTKFace"], "fractions": None, "age_range": [0, 101], "image_size": 256, "crop": ("stretch", 1.1, "black"),
    "augment": {"is": "ResizedCrop", "area": [0.8, 1.0], "flip": 0.5}, "backbone": "resnet50.tv2_in1k",
    "optimizer": adam(1e-4), "schedule": CONSTANT, "batch_size": 100, "epochs": 50, "patience": NEVER,
}  # fmt: skip
DLDL = {"is": "DLDL", "sigma": 2.0, "readout": "median"}
ONE_CYCLE = {"is": "OneCycle", "pct_start": 0.3, "div_factor": 25.0, "final_div_factor": 10000.0, "cycle_momentum": True}
BEST = ANY | {
    "data": ["fairface"], "image_size": 112, "fractions": [0.9, 0.05, 0.05], "backbone": "mobilenetv1_100",
    "augment": PAPER_3["augment"], "head": DLDL | {"readout": "expectation", "expectation_weight": 0.1},
    "gender_head": CROSS_ENTROPY, "balance": task_weights(age=1.0, gender=1.0),
    "optimizer": adamw(1.5e-3, 0.05, backbone_lr_scale=0.2), "batch_size": 64, "epochs": 3, "schedule": ONE_CYCLE,
    "patience": NEVER, "monitor": "val/age_distance",
}  # fmt: skip

SYSTEMS: dict[str, Table] = {
    "effb0_multitask": PAPER_1,
    "effb0_multitask_mse": PAPER_1 | {"head": L1_IN_YEARS | {"loss": "mse"}},
    "effb0_age_only": PAPER_1 | AGE | {"monitor": "val/loss"},
    "effb0_gender_only": PAPER_1 | GENDER | {"monitor": "val/loss"},
    "separable_cnn": PAPER_2 | AGE | {"backbone": "CustomCNN", "image_size": 180, "pool": "flatten", "finetune": {},
                                      "head": L1_IN_YEARS | {"center": 33.0, "relu": True}},
    "vgg16_vggface_gender": PAPER_2 | GENDER | {"backbone": "vgg16", "pool": "none"},
    "vgg16_vggface_gender_512": PAPER_2 | GENDER | {"backbone": "vgg16", "pool": "none"},
    "vgg16_vggface_age": PAPER_2 | AGE | {"backbone": "vgg16", "pool": "none"},
    "vgg16_vggface_age_512": PAPER_2 | AGE | {"backbone": "vgg16", "pool": "none"},
    "resnet50_vggface2_gender": PAPER_2 | GENDER | {"backbone": "resnet50"},
    "resnet50_vggface2_age": PAPER_2 | AGE | {"backbone": "resnet50"},
    "effb2_multitask": PAPER_3,
    "effb2_uncertainty": PAPER_3 | {"balance": {"is": "Uncertainty", "age": 0.0, "gender": 0.0,
                                                "log_variance_range": [-10.0, 10.0]}},
    "effb2_dldl": PAPER_3 | {"head": {"is": "DLDL", "sigma": 2.0, "expectation_weight": 0.1, "readout": "expectation"}},
    "mobilenetv3_multitask": PAPER_3 | {"backbone": "mobilenetv3_large_100"},
    "vit_b16_multitask": PAPER_3 | {"backbone": "vit_base_patch16_224",
                                    "optimizer": adamw(1e-3, 0.01, backbone_lr_scale=0.03)},
    "custom_cnn_128": PAPER_4,
    "custom_cnn_128_gap": PAPER_4 | {"pool": "avg"},
    "vgg16_two_stage": VGG16,
    "vgg16_two_stage_keras_layers": VGG16 | {"finetune": two_stage(layers=3)},
    "vgg16_two_stage_200px": VGG16 | {"image_size": 200},
    "vgg16_two_stage_all_images": VGG16 | {"subset": None},
    "age4_mobilenetv2": PAPER_5 | {"backbone": "mobilenetv2_100"},
    "age4_resnet50": PAPER_5 | {"backbone": "resnet50.tv_in1k"},
    "age4_efficientnet_b0": PAPER_5 | {"backbone": "efficientnet_b0"},
    "paplham_resnet50_ce": PAPLHAM | {"head": {"is": "CrossEntropy", "readout": "median"}},
    "paplham_resnet50_regression": PAPLHAM | {"head": L1_IN_YEARS},
    "paplham_resnet50_dldl": PAPLHAM | {"head": DLDL | {"expectation_weight": 0.0}},
    "paplham_resnet50_dldl_v2": PAPLHAM | {"head": DLDL | {"expectation_weight": 1.0}},
    "paplham_resnet50_sord": PAPLHAM | {"head": {"is": "SORD", "penalty": "absolute", "readout": "median"}},
    "paplham_resnet50_mean_variance": PAPLHAM | {"head": {"is": "MeanVariance", "mean_weight": 0.2, "variance_weight": 0.05,
                                                          "readout": "median"}},
    "paplham_resnet50_or_cnn": PAPLHAM | {"head": {"is": "ORCNN", "readout": "median"}},
    "paplham_resnet50_coral": PAPLHAM | {"head": {"is": "CORAL", "center": 35.0, "readout": "median"}},
    "fairface_lite0": ANY | {
        "data": ["fairface"], "image_size": 112, "fractions": [0.9, 0.05, 0.05], "backbone": "tf_efficientnet_lite0",
        "augment": GEOMETRIC | {"rotation": 10.0, "zoom": 0.15, "translation": 0.05, "contrast": 0.2},
        "head": DLDL | {"readout": "expectation", "expectation_weight": 0.1}, "gender_head": CROSS_ENTROPY,
        "balance": task_weights(age=1.0, gender=1.0), "optimizer": adamw(2e-3, 0.05), "batch_size": 64, "epochs": 10,
        "schedule": ONE_CYCLE, "patience": NEVER, "monitor": "val/age_distance",
    },
    "best_cpu_fairface": BEST,
    "best_cpu": BEST | {"data": ["utkface"], "image_size": 160, "fractions": [0.7, 0.15, 0.15], "epochs": 4, "views": "flip"},
    "best_cpu_mixed": BEST | {"data": ["utkface", "fairface"], "image_size": 160, "fractions": [0.7, 0.15, 0.15], "epochs": 5,
                              "limit_train_batches": 310, "crop": (None, {"utkface": None, "fairface": None}, None),
                              "sampler": {"is": "DatasetSampler", "weights": {"utkface": 2.0, "fairface": 1.0}},
                              "views": "flip"},
    "best_gpu": BEST | {"data": ["utkface"], "image_size": 224, "fractions": [0.7, 0.15, 0.15], "epochs": 15, "views": "flip",
                        "backbone": "resnet50", "optimizer": adamw(1.5e-3, 0.05), "precision": "16-mixed", "patience": 10},
}  # fmt: skip

EFFB0 = {
    "title": "Multi-task Deep Learning for Gender Detection and Age Prediction using EfficientNetB0", "system": None,
    "metrics": {
        "test": {"age_mae": 3.45, "gender_accuracy": 0.94, "gender_precision_female": 0.93, "gender_precision_male": 0.95,
                 "gender_recall_female": 0.96, "gender_recall_male": 0.92, "gender_f1_female": 0.94, "gender_f1_male": 0.94},
        "val": {"gender_accuracy": 0.92},
    },
    "protocol": {"data": ["utkface"], "fractions": [0.8, 0.2, 0.0], "image_size": 224, "batch_size": 16, "epochs": 30,
                 "backbone": "tf_efficientnet_b0.aa_in1k"},
}  # fmt: skip


def sheoran(system: str, backbone: str, **protocol: Any) -> Table:
    return {
        "title": "Age and Gender Prediction using Deep CNNs and Transfer Learning", "system": system, "metrics": {},
        "protocol": {"data": ["utkface"], "backbone": backbone, **protocol},
    }  # fmt: skip


def production(system: str, backbone: str, data: str, mae: float, gender: float, milliseconds: int) -> Table:
    return {
        "title": "A production design for age and gender", "system": system,
        "metrics": {"test": {"age_mae": mae, "gender_accuracy": gender, "latency_ms": milliseconds}},
        "protocol": {"data": [data], "backbone": backbone},
    }  # fmt: skip


def few_faces(system: str, backbone: str, epochs: int, train: tuple[float, ...], val: tuple[float, ...]) -> Table:
    keys = ("gender_accuracy", "age_mae", "gender_loss")
    return {
        "title": "Custom CNN and VGG16 for age and gender on 5,000 faces of UTKFace", "system": system,
        "metrics": {"train": dict(zip(keys, train, strict=True)), "val": dict(zip(keys, val, strict=True))},
        "protocol": {"data": ["utkface"], "fractions": [0.8, 0.2, 0.0], "n": {"train": 4000, "val": 1000}, "image_size": 128,
                     "batch_size": 64, "epochs": epochs, "epoch": "last", "backbone": backbone},
    }  # fmt: skip


def four_classes(system: str, backbone: str, test: float, val: float, train: float) -> Table:
    return {
        "title": "Age in four classes by MobileNetV2, ResNet50 and EfficientNet-B0", "system": system,
        "metrics": {split: {"age_class_accuracy": share} for split, share in (("train", train), ("val", val), ("test", test))},
        "protocol": {"data": ["utkface"], "fractions": [0.7, 0.15, 0.15], "n": {"test": 3556}, "image_size": 224, "epochs": 10,
                     "epoch": "best", "backbone": backbone, "age_range": [0, 116]},
    }  # fmt: skip


def paplham(system: str, *mae: float) -> Table:
    """Mean test MAE over the splits, as in the table of the authors' repository."""
    own: Table = {"CACD2000": {"protocol": {"fractions": None}}, "CLAP2016": {"protocol": {"fractions": None}}}
    for name, value in zip(("AgeDB", "AFAD-Full", "CACD2000", "CLAP2016", "MORPH", "UTKFace"), mae, strict=bool(mae)):
        own[name] = own.get(name, {}) | {"metrics": {"test": {"age_mae": value}}}
    return {
        "title": "A Call to Reflect on Evaluation Practices for Age Estimation", "system": f"ResNet-50, {system}",
        "metrics": {}, "by_dataset": own,
        "protocol": {"fractions": [0.6, 0.2, 0.2], "image_size": 256, "batch_size": 100, "epochs": 50, "backbone": "resnet50",
                     "age_range": [0, 101]},
    }  # fmt: skip


TWO_STAGES = few_faces("VGG16", "vgg16", 35, train=(0.89, 5.4, 0.26), val=(0.88, 7.6, 0.27))
PAPERS: dict[str, Table] = {  # the others are variants of which no paper prints metrics
    "effb0_multitask": EFFB0,
    "effb0_multitask_mse": EFFB0,
    "separable_cnn": sheoran("separable CNN", "CustomCNN", image_size=180),
    "vgg16_vggface_gender": sheoran("VGG16, gender", "vgg16"),
    "vgg16_vggface_gender_512": sheoran("VGG16, gender", "vgg16"),
    "vgg16_vggface_age": sheoran("VGG16, age", "vgg16"),
    "vgg16_vggface_age_512": sheoran("VGG16, age", "vgg16"),
    "resnet50_vggface2_gender": sheoran("ResNet50, gender", "resnet50"),
    "resnet50_vggface2_age": sheoran("ResNet50, age", "resnet50"),
    "effb2_multitask": production("EfficientNet-B2", "efficientnet_b2", "imdb_wiki", 4.8, 0.963, 8),
    "mobilenetv3_multitask": production("MobileNetV3", "mobilenetv3_large_100", "utkface", 5.2, 0.958, 3),
    "vit_b16_multitask": production("ViT-B/16", "vit_base_patch16_224", "imdb_wiki", 4.3, 0.971, 12),
    "custom_cnn_128": few_faces("custom CNN", "CustomCNN", 60, train=(0.87, 6.4, 0.30), val=(0.86, 8.5, 0.32)),
    "vgg16_two_stage": TWO_STAGES,
    "vgg16_two_stage_keras_layers": TWO_STAGES,
    "age4_mobilenetv2": four_classes("MobileNetV2", "mobilenetv2_100", test=0.7058, val=0.7149, train=0.7207),
    "age4_resnet50": four_classes("ResNet50", "resnet50.tv_in1k", test=0.7238, val=0.7116, train=0.7160),
    "age4_efficientnet_b0": four_classes("EfficientNet-B0", "efficientnet_b0", test=0.7227, val=0.7121, train=0.8025),
    "paplham_resnet50_ce": paplham("cross-entropy", 5.81, 3.14, 3.96, 4.49, 2.81, 4.38),
    "paplham_resnet50_regression": paplham("regression", 6.23, 3.17, 4.06, 4.65, 2.83, 4.72),
    "paplham_resnet50_dldl": paplham("DLDL", 5.80, 3.14, 3.96, 4.18, 2.81, 4.39),
    "paplham_resnet50_dldl_v2": paplham("DLDL-v2", 5.80, 3.15, 3.96, 4.23, 2.82, 4.42),
    "paplham_resnet50_sord": paplham("SORD", 5.81, 3.14, 3.96, 4.27, 2.81, 4.36),
    "paplham_resnet50_mean_variance": paplham("mean-variance", 5.85, 3.16, 4.07, 4.28, 2.83, 4.42),
    "paplham_resnet50_or_cnn": paplham("OR-CNN", 5.78, 3.16, 4.01, 4.13, 2.83, 4.40),
    "paplham_resnet50_coral": paplham("CORAL"),
}


def plain(section: Table, *without: str) -> Table:
    """A section with the name of its class."""
    rest = {key: value for key, value in section.items() if key not in ("_target_", *without)}
    return {"is": section["_target_"].rpartition(".")[2], **rest}


def numbers(config: Table) -> Table:
    """What the table says of a system, of its configuration."""
    tasks, trainer, backbone = config["tasks"], config["trainer"], config["backbone"]
    patience = config["callbacks"]["early_stopping"]["patience"]
    assert config["callbacks"]["early_stopping"]["monitor"] == config["callbacks"]["checkpoint"]["monitor"] == config["monitor"]
    return {
        **{key: config[key] for key in ("image_size", "age_range", "tasks", "pool", "monitor", "views", "mixup")},
        "data": list(config["data"]["sources"]),
        "fractions": config["split"].get("fractions"),
        "subset": config["split"].get("subset"),
        "crop": tuple(config["data"][key] for key in ("fit", "crop_scale", "outside")),
        "batch_size": config["loader"]["batch_size"],
        "sampler": plain(config["sampler"]),
        "augment": plain(config["augment"]),
        "backbone": backbone.get("name") or plain(backbone)["is"],
        "head": plain(config["head"], "age_range", "scale", "delta") if "age" in tasks else None,
        "gender_head": plain(config["gender_head"]) if "gender" in tasks else None,
        "balance": plain(config["balance"]) if len(tasks) > 1 else None,
        "optimizer": plain(config["optimizer"]),
        "schedule": plain(config["schedule"]),
        "finetune": {name: plain(callback) for name, callback in config["finetune"].items()},
        "epochs": trainer["max_epochs"],
        "patience": NEVER if patience >= trainer["max_epochs"] else patience,
        **{key: trainer[key] for key in ("gradient_clip_val", "accumulate_grad_batches", "precision", "limit_train_batches")},
    }


def test_the_table_has_every_experiment() -> None:
    assert set(SYSTEMS) == {path.stem for path in (CONF / "experiment").glob("*.yaml")}


@pytest.mark.parametrize("name", SYSTEMS)
def test_numbers_are_the_papers(name: str, experiment: Experiment) -> None:
    assert numbers(experiment(name)) == SYSTEMS[name]


@pytest.mark.parametrize("name", SYSTEMS)
def test_metrics_are_the_papers(name: str, experiment: Experiment) -> None:
    paper = experiment(name)["paper"]
    if name not in PAPERS:
        assert paper is None
        return
    protocol = {key: value for key, value in paper["protocol"].items() if key != "notes"}
    assert {"system": None} | paper | {"protocol": protocol} == PAPERS[name]


@pytest.mark.parametrize("name", SYSTEMS)
def test_no_file_sets_what_no_test_looks_at(name: str) -> None:
    files = [CONF / "experiment" / f"{name}.yaml", *([CONF / "paplham_resnet50.yaml"] if "paplham" in name else [])]
    sections = {key for file in files for key in yaml.safe_load(file.read_text())}
    layers = {"trunk", "tower", "separable"}  # test_nets.py
    covered = {*SYSTEMS[name], "split", "loader", "trainer", "callbacks", "paper", "name", "defaults"}
    assert sections <= covered | layers
