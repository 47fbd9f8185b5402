"""The benchmark for GPUs: its sums by hand, its models' sizes, and its whole path on a processor."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import costs, gpu

TINY = gpu.settings(gpu.parser().parse_args(["--tiny", "--precision", "fp32"]))[0]


def test_operations_are_told_by_what_they_do() -> None:
    told = {
        "aten::mm": "matrix products",
        "aten::addmm": "matrix products",
        "AddmmBackward0": "matrix products",
        "aten::_efficient_attention_forward": "attention",
        "aten::_scaled_dot_product_flash_attention_for_cpu_backward": "attention",
        "aten::_fused_adamw_": "optimiser",
        "aten::_foreach_norm": "optimiser",
        "aten::_log_softmax_backward_data": "loss over the vocabulary",
        "aten::copy_": "copies and casts",
        "aten::index_put_": "copies and casts",
        "aten::add_": "elementwise and norms",
        "aten::silu_backward": "elementwise and norms",
        "aten::tril": costs.OTHER,
    }
    assert {name: costs.kind_of(name) for name in told} == told


def test_what_a_device_does_not_fill_of_a_step_is_waiting() -> None:
    found = costs.by_kind([("aten::mm", 0.5), ("aten::bmm", 0.1), ("aten::copy_", 0.1)], wall=1.0)
    assert found == pytest.approx({"matrix products": 0.6, costs.IDLE: 0.3, "copies and casts": 0.1})
    assert costs.top_three(found)[:2] == ["matrix products: 60% (0.6000 s)", f"{costs.IDLE}: 30% (0.3000 s)"]
    assert costs.by_kind([("aten::mm", 2.0)], wall=1.0)[costs.IDLE] == 0.0  # kernels may overlap


def test_a_row_by_hand() -> None:
    found: dict[str, Any] = {"weights": 494e6, "tokens_a_step": 2000, "seconds_a_step": 0.5, "pairs_a_step": 24}
    found |= {"flops_a_step": 1e14, "matrix_rate": 4e14, "peak_mib": 10_240.0}
    asked = replace(TINY, size="0.5b", tokens=190, responses=4, samples=4)
    line = "| 0.5b | lora | 190 | 4 | 4 | 494.0 M | 4,000 | 48.00 | 50% | 400.000 | 10,240 |"
    assert gpu.row(asked, found) == line
    assert len(line.split("|")) == len(gpu.HEAD.splitlines()[0].split("|"))


@pytest.mark.parametrize(("size", "billions"), [("0.5b", 0.49), ("1.5b", 1.54)])
def test_the_language_models_have_the_size_of_their_names(base: Path, size: str, billions: float) -> None:
    from transformers import AutoConfig, AutoModelForImageTextToText

    config = gpu.shaped(AutoConfig.from_pretrained(base), gpu.SIZES[size])
    build: Any = AutoModelForImageTextToText
    with torch.device("meta"):
        net = build.from_config(config)
    assert sum(each.numel() for each in net.get_decoder().parameters()) / 1e9 == pytest.approx(billions, abs=0.01)
    assert 2 * sum(gpu.SIZES[size].sections) == net.get_decoder().layers[0].self_attn.head_dim


def test_the_whole_path_runs_on_a_processor(tmp_path: Path) -> None:
    found = gpu.measure(tmp_path, replace(TINY, steps=1))
    assert found["losses"][0] == pytest.approx(0.6931, abs=1e-3)
    assert len(found["losses"]) == gpu.WARM + 1 + gpu.PROFILED + gpu.COUNTED
    assert found["flops_a_step"] > 1e6 and found["matrix_rate"] > 1e8
    told = gpu.report(TINY, found)
    assert told.index("| tokens/s |") < told.index("aten::mm") < told.index("Top three costs\n1. ")
