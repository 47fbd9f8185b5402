"""Where a training step's time goes: what PyTorch's profiler saw, gathered by kind of work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

KINDS = (
    ("attention", ("attention", "flash", "sdpa")),
    ("matrix products", ("mm", "bmm", "addmm", "baddbmm", "matmul", "linear", "convolution", "conv")),
    ("optimiser", ("adam", "foreach", "clip", "norm_stack")),
    ("loss over the vocabulary", ("log_softmax", "nll_loss", "softmax", "cross_entropy")),
    (
        "copies and casts",
        ("copy_", "to_copy", "_to_copy", "cat", "contiguous", "clone", "index", "gather", "embedding"),
    ),
    (
        "elementwise and norms",
        ("mul", "add", "silu", "gelu", "rsqrt", "pow", "mean", "neg", "sub", "div", "sum", "norm"),
    ),
)
"""A kind and parts of the names of its operations; the first that fits is taken."""
OTHER, IDLE = "all else", "the device waits for Python"
WORDS = {"mm", "bmm", "add", "sub", "div", "sum", "mul", "pow", "neg", "mean", "cat", "index", "conv", "norm"}
"""Names that are parts of other words, and count only as a whole one."""


def kind_of(operation: str) -> str:
    """`aten::mm` → matrix products. Going backward counts as what it goes back through."""
    name = operation.lower().split("::")[-1]
    words = set(name.strip("_").split("_"))
    for kind, parts in KINDS:
        if any(part in words if part in WORDS else part.strip("_") in name for part in parts):
            return kind
    return OTHER


def by_kind(times: Iterable[tuple[str, float]], wall: float | None = None) -> dict[str, float]:
    """Seconds by kind, greatest first, from those of each operation. Of a device's `wall` seconds the rest is idle."""
    found: dict[str, float] = {}
    for operation, seconds in times:
        kind = kind_of(operation)
        found[kind] = found.get(kind, 0.0) + seconds
    if wall is not None:
        found[IDLE] = max(0.0, wall - sum(found.values()))
    return dict(sorted(found.items(), key=lambda each: -each[1]))


def top_three(found: Mapping[str, float]) -> list[str]:
    """The three greatest costs, in words."""
    whole = sum(found.values()) or 1.0
    return [f"{kind}: {seconds / whole:.0%} ({seconds:.4f} s)" for kind, seconds in list(found.items())[:3]]


def table(found: Mapping[str, float]) -> str:
    whole = sum(found.values()) or 1.0
    rows = [f"| {kind} | {seconds:.4f} | {seconds / whole:.0%} |" for kind, seconds in found.items()]
    return "\n".join(["| kind of work | s a step | share |", "|---|---|---|", *rows])


def seen_by(profile: Any, device: str) -> list[tuple[str, float]]:
    """Each operation's own seconds: on CUDA those of the kernels that it started, else the processor's."""
    events = [each for each in profile.key_averages() if str(each.device_type).endswith("CPU")]
    name = "self_device_time_total" if device == "cuda" else "self_cpu_time_total"
    return [(each.key, getattr(each, name) / 1e6) for each in events if getattr(each, name)]
