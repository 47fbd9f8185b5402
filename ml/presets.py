"""Named starting points of a form: what each preset lays over the defaults."""

from __future__ import annotations

from typing import Any

PAPER_BASE = "llava-hf/llava-onevision-qwen2-7b-ov-hf"
PAPER_ENCODER = "openai/clip-vit-base-patch32"
_PAPER: dict[str, Any] = {"base": PAPER_BASE, "adapter": "full", "epochs": 1, "warmup": 0.1, "schedule": "cosine"}
_TINY: dict[str, Any] = {
    "adapter": "full",
    "samples_per_batch": 2,
    "accumulate": 1,
    "evaluate_every": 10,
    "sample_every": 10,
    "checkpoint_every": 10,
    "max_pixels": 50_176,
}

_LOOK: dict[str, Any] = {"max_steps": 10, "accumulate": 1, "learning_rate": 1e-4}

PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "cluster": {
        "paper": {"base": PAPER_ENCODER, "clusters": 100},
        "quick look": {"clusters": 20, "layout": "pca"},
        "tiny": {"clusters": 8, "batch": 8, "max_pixels": 50_176},
    },
    "generate": {
        "paper": {"wanted": 4},
        "quick look": {"limit": 8},
        "tiny": {"max_new_tokens": 48, "max_pixels": 50_176, "temperature": 1.0},
    },
    "expand": {
        "paper": {"expander": "endpoint"},
        "quick look": {"limit": 8},
        "tiny": {"expander": "auto", "max_new_tokens": 96, "max_pixels": 50_176},
    },
    "reward": {
        "paper": _PAPER
        | {"learning_rate": 1e-6, "critiques": "expanded", "critique_reduction": "sum", "centring": 0.0},
        "quick look": _LOOK | {"critiques": "human", "evaluate_with": "given"},
        "tiny": _TINY | {"learning_rate": 1e-3, "epochs": 4, "critiques": "human", "max_critique_tokens": 48},
    },
    "score": {
        "paper": {"critiques": "own"},
        "quick look": {"critiques": "given", "split": "held_out"},
        "tiny": {"critiques": "own", "max_critique_tokens": 48, "samples_per_batch": 2, "max_pixels": 50_176},
    },
    "mm_dpo": {
        "paper": _PAPER | {"learning_rate": 1e-6, "beta": 0.1, "w": 0.5, "k": 0.5, "sft_weight": 0.1},
        "quick look": _LOOK,
        "tiny": _TINY | {"learning_rate": 5e-4, "epochs": 3, "sample_tokens": 32},
    },
    "evaluate": {
        "paper": {"critiques": "own"},
        "quick look": {"limit": 8, "max_new_tokens": 64},
        "tiny": {"max_new_tokens": 32, "max_critique_tokens": 48, "samples_per_batch": 4, "max_pixels": 50_176},
    },
}
