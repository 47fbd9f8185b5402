"""What the long kill test takes for a half checkpoint."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from benchmarks.kills import half


def test_a_half_checkpoint_is_seen(tmp_path: Path) -> None:
    assert "trainer.json" in half(tmp_path)
    (tmp_path / "trainer.json").write_text("{}")
    assert half(tmp_path) == "it holds no weights"
    weights = tmp_path / "learning.safetensors"
    save_file({"weight": np.ones(1000)}, weights)
    assert half(tmp_path) == ""
    weights.write_bytes(weights.read_bytes()[:-1])
    assert "SafetensorError" in half(tmp_path)
