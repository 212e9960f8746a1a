"""Backbones from timm: features, weights, downloads that fail, and the layer of Grad-CAM."""

import os
import socket
from pathlib import Path

import huggingface_hub
import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from agegender.errors import AgeGenderError
from agegender.models import backbones
from agegender.models.backbones import TimmBackbone

SHARED = Path(os.environ.get("AGEGENDER_SHARED", Path(__file__).parents[3] / "shared"))

# Pooled features and the shape of the feature map of a 64-pixel image
ARCHITECTURES = {
    "efficientnet_b0": (1280, (1280, 2, 2)),
    "efficientnet_b2": (1408, (1408, 2, 2)),
    "resnet50": (2048, (2048, 2, 2)),
    "vgg16": (512, (512, 2, 2)),
    "vgg16_bn": (512, (512, 2, 2)),
    "mobilenetv1_100": (1024, (1024, 2, 2)),
    "mobilenetv2_100": (1280, (1280, 2, 2)),
    "mobilenetv3_large_100": (1280, (960, 2, 2)),
    "vit_base_patch16_224": (768, (17, 768)),
}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_each_architecture_runs_forward_and_backward_and_has_its_features(name):
    features, feature_map_shape = ARCHITECTURES[name]
    backbone = TimmBackbone(name, image_size=64)
    feature_map = backbone(torch.randn(2, 3, 64, 64))
    assert feature_map.shape == (2, *feature_map_shape)
    pooled = backbone.pool(feature_map)
    assert pooled.shape == (2, features)
    assert backbone.num_features == features
    pooled.square().sum().backward()
    names = [parameter for parameter, _ in backbone.named_parameters()]
    assert all(parameter.grad is not None for parameter in backbone.parameters())
    groups = backbone.depth_groups()
    assert sorted(parameter for group in groups for parameter in group) == sorted(names)
    assert names[0] in groups[0] or name.startswith("vit")  # timm's first group has the class token
    assert len(groups) > 5


def test_vgg_is_its_convolutional_base_alone():
    backbone = TimmBackbone("vgg11")
    assert sum(parameter.numel() for parameter in backbone.parameters()) < 10_000_000
    feature_map = torch.rand(2, 512, 3, 3)
    torch.testing.assert_close(backbone.pool(feature_map), feature_map.mean(dim=(2, 3)))


def test_mean_and_std_are_those_of_timm_unless_given():
    assert TimmBackbone("mobilenetv1_100").mean == [0.5, 0.5, 0.5]
    assert TimmBackbone("mobilenetv2_100").std == [0.229, 0.224, 0.225]
    own = TimmBackbone("mobilenetv2_100", mean=(0.1, 0.2, 0.3), std=[1, 1, 1])
    assert (own.mean, own.std) == ([0.1, 0.2, 0.3], [1.0, 1.0, 1.0])


def test_padding_like_tensorflow_changes_the_features():
    torch.manual_seed(0)
    same = TimmBackbone("mobilenetv1_100", pad_type="same").eval()
    plain = TimmBackbone("mobilenetv1_100").eval()
    plain.load_state_dict(same.state_dict())
    image = torch.rand(1, 3, 32, 32)
    assert not torch.allclose(same(image), plain(image))


def test_momentum_of_batch_norm():
    for momentum, expected in ((None, 0.1), (0.01, 0.01)):
        modules = TimmBackbone("test_efficientnet", bn_momentum=momentum).modules()
        assert {module.momentum for module in modules if isinstance(module, nn.BatchNorm2d)} == {expected}


def test_padding_is_refused_for_models_without_that_option():
    with pytest.raises(AgeGenderError, match=r"backbone.name=resnet18.*pad_type"):
        TimmBackbone("resnet18", pad_type="same")


def test_an_unknown_name_shows_close_matches():
    with pytest.raises(AgeGenderError, match=r"backbone.name=resnet5: timm .* has no such model.*resnet50"):
        TimmBackbone("resnet5")
    with pytest.raises(AgeGenderError, match="has no such model"):
        TimmBackbone("hf-hub:somebody/resnet50")


def test_an_unknown_tag_shows_the_known_ones():
    with pytest.raises(AgeGenderError, match=r"resnet50.tv_in2k: timm has no weights with this tag.*resnet50.tv_in1k"):
        TimmBackbone("resnet50.tv_in2k")


@pytest.fixture
def no_downloads(tmp_path, monkeypatch):
    """An empty cache of the hub. A test fails if it downloads weights of timm."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    original = timm.create_model

    def create_model(*args, pretrained=False, **kwargs):
        assert not pretrained
        return original(*args, pretrained=pretrained, **kwargs)

    monkeypatch.setattr(timm, "create_model", create_model)


def closed_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def test_without_a_connection_the_message_says_what_to_do(no_downloads, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", f"http://127.0.0.1:{closed_port()}")
    with pytest.raises(AgeGenderError, match=r"backbone.pretrained=false or .* backbone.weights=FILE"):
        TimmBackbone("mobilenetv2_100", pretrained=True)


def test_a_hub_that_never_answers_does_not_hang(no_downloads, monkeypatch):
    monkeypatch.setattr(backbones, "HUB_TIMEOUT", 0.2)
    with socket.socket() as server:  # accepts connections, never answers
        server.bind(("127.0.0.1", 0))
        server.listen()
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(AgeGenderError, match=r"backbone.pretrained=false"):
            TimmBackbone("mobilenetv2_100", pretrained=True)


def test_a_broken_download_gives_the_same_message(monkeypatch):
    def create_model(*args, **kwargs):
        raise ConnectionResetError("connection reset by peer")

    monkeypatch.setattr(backbones, "_check_hub", lambda name: None)
    monkeypatch.setattr(timm, "create_model", create_model)
    with pytest.raises(AgeGenderError, match=r"reset by peer.*backbone.pretrained=false"):
        TimmBackbone("mobilenetv2_100", pretrained=True)


def test_weights_on_disk_need_no_connection(monkeypatch):
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda repo, file: f"/cache/{repo}/{file}")
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", f"http://127.0.0.1:{closed_port()}")
    asked = []
    original = timm.create_model

    def create_model(name, pretrained, **kwargs):
        asked.append((name, pretrained))
        return original(name, **kwargs)

    monkeypatch.setattr(timm, "create_model", create_model)
    TimmBackbone("mobilenetv2_100", pretrained=True)
    assert asked == [("mobilenetv2_100", True)]


def test_a_model_without_pretrained_weights_is_an_error(no_downloads):
    with pytest.raises(AgeGenderError, match=r"no weights for it, so set backbone.pretrained=false"):
        TimmBackbone("efficientnet_b0_g8_gn", pretrained=True)


def test_a_local_file_wins_over_pretrained(no_downloads, tmp_path):
    source = timm.create_model("mobilenetv2_100", num_classes=7)
    save_file(source.state_dict(), tmp_path / "weights.safetensors")
    backbone = TimmBackbone("mobilenetv2_100", pretrained=True, weights=str(tmp_path / "weights.safetensors"))
    assert torch.equal(backbone.net.conv_stem.weight, source.conv_stem.weight)
    rebuilt = TimmBackbone("mobilenetv2_100", mean=backbone.mean, std=backbone.std)
    rebuilt.load_state_dict(backbone.state_dict())


def test_transformer_weights_of_another_image_size_get_resized_position_embeddings(tmp_path):
    source = timm.create_model("vit_tiny_patch16_224", num_classes=3)
    torch.save({"model": source.state_dict()}, tmp_path / "weights.pt")
    backbone = TimmBackbone("vit_tiny_patch16_224", image_size=64, weights=str(tmp_path / "weights.pt"))
    assert backbone.net.pos_embed.shape == (1, 17, 192)
    assert torch.equal(backbone.net.pos_embed[:, 0], source.pos_embed[:, 0])  # the class token's stays
    assert torch.equal(backbone.net.blocks[3].attn.qkv.weight, source.blocks[3].attn.qkv.weight)


@pytest.mark.parametrize(
    ("name", "file", "pad_type"),
    [
        ("mobilenetv2_100", "mobilenetv2_100.safetensors", None),
        ("tf_efficientnet_lite0", "tf_efficientnet_lite0.safetensors", None),
        ("mobilenetv1_100", "mobilenetv1_100_vggface2.safetensors", "same"),
    ],
)
def test_real_weights_match_completely(name, file, pad_type, caplog):
    path = SHARED / "weights" / file
    if not path.is_file():
        pytest.skip(f"{path} is absent")
    with caplog.at_level("INFO"):
        backbone = TimmBackbone(name, pretrained=True, weights=str(path), pad_type=pad_type)
    total = sum(not key.endswith("num_batches_tracked") for key in backbone.state_dict())
    assert f"{total} of {total} tensors match" in caplog.text
    assert "missing" not in caplog.text
    assert "mismatched" not in caplog.text


@pytest.fixture
def small(monkeypatch):
    """Builds a ``TimmBackbone`` around a small model of timm."""
    original = timm.create_model

    def build(name, **options):
        monkeypatch.setattr(timm, "create_model", lambda *_, **__: original(name, num_classes=0, **options))
        return TimmBackbone(name, image_size=32).eval()

    return build


@pytest.mark.parametrize(
    ("name", "options"),
    [("test_vit", {}), ("test_vit", {"reg_tokens": 4}), ("test_vit_relpos", {}), ("beit_base_patch16_224", {"depth": 3})],
)
def test_grad_cam_takes_the_patches_of_the_last_blocks_first_norm(small, name, options):
    backbone = small(name, img_size=32, **options)
    image, outputs = torch.randn(2, 3, 32, 32), []
    backbone.cam_layer().register_forward_hook(lambda layer, inputs, output: outputs.append(output))
    backbone(image)
    last = len(backbone.net.blocks) - 1
    (before,) = backbone.net.forward_intermediates(image, indices=[last - 1], intermediates_only=True)
    expected = backbone.net.blocks[last].norm1(before.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    torch.testing.assert_close(backbone.as_map(outputs[0]), expected)


@pytest.mark.parametrize(
    ("name", "options", "size"),
    [
        ("test_resnet", {}, (64, 96)),
        ("test_mambaout", {}, (64, 96)),  # channels last
        ("swin_tiny_patch4_window7_224", {"img_size": 56, "depths": (1, 1)}, (56, 56)),  # channels last
    ],
)
def test_grad_cam_takes_the_feature_map_of_other_models(small, name, options, size):
    backbone, image = small(name, **options), torch.randn(2, 3, *size)
    assert backbone.cam_layer() is backbone
    (expected,) = backbone.net.forward_intermediates(image, indices=1, norm=True, intermediates_only=True)
    torch.testing.assert_close(backbone.as_map(backbone(image)), expected)


def test_tokens_that_are_not_patches_have_no_map(small):
    backbone = small("levit_128s")
    with pytest.raises(AgeGenderError, match="no map of LevitDistilled: its tokens are not one for each patch"):
        backbone.as_map(backbone(torch.randn(1, 3, 224, 224)))
