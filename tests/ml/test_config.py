"""Configs that a form draws and a run obeys."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import pytest

from ml.config import (
    PRESETS,
    RECIPES,
    ConfigError,
    Expand,
    MmDpo,
    NoExpander,
    expander_of,
    fields_of,
    from_form,
    preset,
    validate,
)


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_preset_of_a_recipe_is_within_its_bounds(recipe: str) -> None:
    assert set(PRESETS[recipe]) == {"paper", "quick look", "tiny"}
    for name in PRESETS[recipe]:
        validate(recipe, preset(recipe, name))


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_field_has_help_and_a_default_that_it_accepts(recipe: str) -> None:
    for spec in fields_of(recipe):
        assert spec.help
        assert spec.label
        assert validate(recipe, {spec.name: spec.default})


def test_the_papers_defaults_of_mm_dpo() -> None:
    config = validate("mm_dpo", {})
    assert isinstance(config, MmDpo)
    assert (config.beta, config.w, config.k) == (0.1, 0.5, 0.5)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"learnin_rate": 1.0}, "learnin_rate"),
        ({"learning_rate": "1e-5"}, "learning_rate"),
        ({"learning_rate": math.nan}, "learning_rate"),
        ({"learning_rate": math.inf}, "learning_rate"),
        ({"learning_rate": -1e-5}, "learning_rate"),
        ({"warmup": 10**400}, "warmup"),
        ({"epochs": 1.5}, "epochs"),
        ({"epochs": True}, "epochs"),
        ({"epochs": 0}, "epochs"),
        ({"freeze_vision": 1}, "freeze_vision"),
        ({"adapter": "prefix"}, "adapter"),
        ({"adapter": ["lora"]}, "adapter"),
        ({"base": "a\nb"}, "base"),
        ({"base": "a" * 1001}, "base"),
        ({"base": None}, "base"),
        ({"recipe": "reward"}, "recipe"),
    ],
)
def test_a_config_out_of_bounds_is_refused_by_the_name_of_its_field(values: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigError) as refused:
        validate("mm_dpo", values)
    assert refused.value.field == field
    assert str(refused.value).startswith(f"{field}: ")
    assert "\n" not in str(refused.value)


def test_a_whole_number_is_welcome_where_a_number_is_asked() -> None:
    beta = getattr(validate("mm_dpo", {"beta": 1}), "beta", None)
    assert beta == 1.0
    assert isinstance(beta, float)


def test_a_form_sends_strings_and_leaves_out_what_is_unchecked() -> None:
    config = from_form("mm_dpo", {"beta": " 0.2 ", "epochs": "3", "warmup": "", "adapter": "full"})
    assert isinstance(config, MmDpo)
    assert (config.beta, config.epochs, config.warmup, config.adapter) == (0.2, 3, 0.1, "full")
    assert config.freeze_vision is False


@pytest.mark.parametrize(("name", "text"), [("beta", "much"), ("epochs", "1.5"), ("nothing", "1"), ("beta", "nan")])
def test_a_form_that_is_no_config_is_refused(name: str, text: str) -> None:
    with pytest.raises(ConfigError, match=name):
        from_form("mm_dpo", {name: text})


def test_an_expander_is_the_endpoint_if_one_is_set_else_the_local_model() -> None:
    environ = {"OPENAI_BASE_URL": "http://127.0.0.1:1/v1", "OPENAI_MODEL": "m"}
    assert expander_of(Expand(base="x/y"), environ) == "endpoint"
    assert expander_of(Expand(base="x/y", expander="local"), environ) == "local"
    assert expander_of(Expand(base="x/y"), {}) == "local"
    assert expander_of(Expand(endpoint_model="m"), {"OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}) == "endpoint"


@pytest.mark.parametrize(
    ("config", "environ", "word"),
    [
        (Expand(), {}, "OPENAI_BASE_URL, OPENAI_MODEL"),
        (Expand(), {"OPENAI_BASE_URL": "http://x"}, "OPENAI_MODEL"),
        (Expand(expander="local"), {"OPENAI_BASE_URL": "http://x", "OPENAI_MODEL": "m"}, "base"),
        (Expand(expander="endpoint", base="x/y"), {"OPENAI_MODEL": "m"}, "OPENAI_BASE_URL"),
    ],
)
def test_with_no_expander_the_refusal_says_what_to_set(config: Expand, environ: dict[str, str], word: str) -> None:
    with pytest.raises(NoExpander, match=word):
        expander_of(config, environ)


def test_the_config_is_read_without_torch() -> None:
    code = "import sys, ml.config; print(sorted({'torch', 'transformers', 'numpy'} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert answer.stdout.strip() == "[]"


def test_bounds_are_said_in_full() -> None:
    bounds = {spec.name: spec.bounds for spec in fields_of("reward")}
    assert bounds["max_steps"] == ("0", "10,000,000")
    assert bounds["learning_rate"] == ("0", "1")
    assert bounds["base"] == ("", "")
    assert {spec.name: spec.bounds for spec in fields_of("mm_dpo")}["beta"] == ("0.0001", "10")
    with pytest.raises(ConfigError, match="is not between 0 and 10,000,000"):
        validate("reward", {"max_steps": -1})
