"""Batches of faces at several crop scales: pixels of each scale, and each picture decoded once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from agegender.data import cache
from agegender.data.assemble import assemble
from agegender.data.crop_scales import loader_at_scales
from agegender.sources.crop import Crop
from agegender.sources.images import read


def test_faces_have_the_pixels_of_each_scale(
    configure: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = assemble(configure(f"loader.cache_dir={tmp_path}", "data.outside=black", "loader.batch_size=6"))
    data.prepare_data()
    data.setup()
    opened: list[Path] = []
    monkeypatch.setattr(cache, "read", lambda path: (opened.append(path), read(path))[1])
    rows, scales = data.rows("val"), [0.5, 1.0, 1.4]
    loader, table = loader_at_scales(data, rows, scales)
    assert table["scale"].tolist() == scales * len(rows)
    batches = list(loader)
    assert torch.cat([batch["index"] for batch in batches]).tolist() == list(range(len(table)))
    images = torch.cat([batch["image"] for batch in batches]).permute(0, 2, 3, 1).numpy()
    files = [data.table.files()[row] for row in rows]
    expected = [Crop("crop", scale, "black")(read(file), 16) for file in files for scale in scales]
    np.testing.assert_array_equal(images, expected)
    assert opened == files
