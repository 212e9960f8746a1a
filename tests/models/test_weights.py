"""Weights from local files: names, formats, tensors that do not match, and files that cannot be read."""

import copy
import io
import logging

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from agegender.errors import AgeGenderError
from agegender.models.weights import load_weights


def net(seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    blocks = [nn.Sequential(nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3)) for _ in range(4)]
    return nn.Sequential(*blocks)


def same(left: nn.Module, right: nn.Module) -> bool:
    pairs = zip(left.state_dict().values(), right.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("prefix", ["", "module.", "backbone.", "model.", "network.backbone.net."])
@pytest.mark.parametrize("nest", [(), ("state_dict",), ("model",), ("model", "state_dict")])
def test_torch_files_of_any_prefix_and_nesting_fill_the_module(tmp_path, prefix, nest):
    source, target = net(1), net(2)
    content = {prefix + name: tensor for name, tensor in source.state_dict().items()}
    for key in nest:
        content = {key: content, "epoch": 3}
    torch.save(content, tmp_path / "weights.pt")
    assert not same(source, target)
    report = load_weights(target, tmp_path / "weights.pt")
    assert same(source, target)
    assert report.prefix == prefix
    assert len(report.matched) == 24  # 4 x (2 of the convolution, 4 of the norm): step counters are not counted
    assert (report.missing, report.mismatched, report.unexpected) == ([], [], [])


def test_safetensors_are_recognised_by_content_and_a_classifier_is_ignored(tmp_path, caplog):
    source, target = net(1), net(2)
    save_file(source.state_dict() | {"classifier.weight": torch.ones(2, 2)}, tmp_path / "weights.bin")
    with caplog.at_level(logging.INFO):
        report = load_weights(target, str(tmp_path / "weights.bin"))
    assert same(source, target)
    assert report.unexpected == ["classifier.weight"]
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert "24 of 24 tensors match; 1 unexpected (classifier.weight)" in caplog.text


def test_missing_and_mismatched_tensors_keep_their_values_with_a_warning(tmp_path, caplog):
    source, target = net(1), net(2)
    before = copy.deepcopy(target)
    content = source.state_dict()
    del content["0.0.bias"]
    content["3.0.bias"] = torch.ones(7)
    torch.save(content, tmp_path / "weights.pt")
    report = load_weights(target, tmp_path / "weights.pt")
    assert report.missing == ["0.0.bias"]
    assert report.mismatched == ["3.0.bias"]
    assert torch.equal(target[0][0].bias, before[0][0].bias)
    assert torch.equal(target[3][0].bias, before[3][0].bias)
    assert torch.equal(target[3][0].weight, source[3][0].weight)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "22 of 24 tensors match; 1 missing (0.0.bias); 1 mismatched (3.0.bias)" in caplog.text


def test_below_90_percent_the_file_is_refused_and_nothing_is_loaded(tmp_path):
    source, target = net(1), net(2)
    before = copy.deepcopy(target)
    content = {name: tensor for name, tensor in source.state_dict().items() if not name.startswith("2.")}
    torch.save(content, tmp_path / "weights.pt")
    with pytest.raises(AgeGenderError, match=r"18 of 24 tensors match; 6 missing \(2.0.weight, 2.0.bias, 2.1.weight, ..."):
        load_weights(target, tmp_path / "weights.pt")
    assert same(before, target)


def test_the_error_for_another_models_weights_shows_the_expected_names(tmp_path):
    torch.save({"conv_stem.weight": torch.ones(3)}, tmp_path / "weights.pt")
    with pytest.raises(AgeGenderError, match=r"0 of 24 tensors match.*names are, for example, 0\.0\.weight"):
        load_weights(net(0), tmp_path / "weights.pt")


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(AgeGenderError, match=r"backbone.weights=.*absent.pt: there is no such file"):
        load_weights(net(0), tmp_path / "absent.pt")


class Payload:
    def __reduce__(self):
        return (open, ("executed.txt", "w"))


def not_weights(kind: str) -> bytes:
    torch.save({"state_dict": Payload()}, code := io.BytesIO())
    return {
        "empty": b"",
        "text": b"these are not weights at all",
        "json": b"12345678{broken",
        "huge header": b"\xff" * 8 + b"{" * 20,
        "code": code.getvalue(),
    }[kind]


@pytest.mark.parametrize("kind", ["empty", "text", "json", "huge header", "code"])
def test_files_without_weights_are_refused_and_never_run(tmp_path, kind, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights.pt").write_bytes(not_weights(kind))
    with pytest.raises(AgeGenderError, match=r"weights.pt: not a safetensors file or a torch state dict") as caught:
        load_weights(net(0), "weights.pt")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "executed.txt").exists()


@pytest.mark.parametrize("content", [{"epoch": 3}, [torch.ones(3)], torch.ones(3)])
def test_torch_files_without_named_tensors_are_refused(tmp_path, content):
    torch.save(content, tmp_path / "weights.pt")
    with pytest.raises(AgeGenderError, match="not a state dict"):
        load_weights(net(0), tmp_path / "weights.pt")


def test_a_directory_is_refused(tmp_path):
    with pytest.raises(AgeGenderError, match="not a safetensors file"):
        load_weights(net(0), tmp_path)


def test_a_converter_rewrites_the_tensors_first(tmp_path):
    source, target = net(1), net(2)
    torch.save({name: tensor[None] for name, tensor in source.state_dict().items()}, tmp_path / "weights.pt")
    load_weights(target, tmp_path / "weights.pt", lambda tensors, _: {name: t[0] for name, t in tensors.items()})
    assert same(source, target)
