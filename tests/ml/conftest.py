"""One tiny model for all tests of ml, built once."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml import tiny
from ml.config import Reward
from ml.models import VisionLanguage, load
from tests.ml import cast


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs keep for later runs stays within a test."""
    monkeypatch.setenv("ML_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset folder of 6 training and 2 held-out samples."""
    return cast.dataset(tmp_path_factory.mktemp("ml") / "data")


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """The folder of a base model of a few hundred thousand random weights."""
    folder = tmp_path_factory.mktemp("ml") / "tiny"
    texts = tiny.texts_of([data / "samples.jsonl"])
    tiny.build(folder, texts, width=48, layers=2, vision_width=32, vision_layers=1, vocabulary=500, max_pixels=4096)
    return folder


@pytest.fixture
def model(base: Path) -> VisionLanguage:
    return load(str(base), Reward(device="cpu"))
