"""The production shape: each service starts a command that exists, and the file is valid where a docker client is."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.core import telemetry
from app.core.jobs import DESK, ROUTES
from app.core.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
OURS = [name for name, service in SERVICES.items() if "build" in service]
BIN = Path(sys.executable).parent


def words(name: str) -> list[str]:
    return [str(word) for word in SERVICES[name]["command"]]


def value_after(name: str, option: str) -> str:
    command = words(name)
    return command[command.index(option) + 1]


def test_the_services_of_the_house_are_all_there() -> None:
    assert {"postgres", "redis", "web", "worker", "trainer", "beat", "migrate"} <= set(SERVICES)


@pytest.mark.parametrize("name", OURS)
def test_each_service_starts_a_program_that_this_installation_has(name: str) -> None:
    assert (BIN / words(name)[0]).exists(), f"{name} starts {words(name)[0]!r}, which no dependency brings"


@pytest.mark.parametrize("name", OURS)
def test_each_application_named_in_a_command_can_be_imported(name: str) -> None:
    for module, colon, attribute in (word.partition(":") for word in words(name)):
        if colon and module.startswith(("app.", "worker.")):
            assert hasattr(importlib.import_module(module), attribute), f"{name}: {module}:{attribute}"


def test_each_queue_has_exactly_one_worker() -> None:
    served = [queue for name in OURS if "--queues" in words(name) for queue in value_after(name, "--queues").split(",")]
    assert sorted(served) == sorted({DESK, *ROUTES.values()})


@pytest.mark.parametrize("name", ["worker", "trainer", "beat", "migrate"])
def test_the_commands_options_are_known_to_their_programs(name: str) -> None:
    program, *rest = words(name)
    verbs = rest[: next((place for place, word in enumerate(rest) if word in ("worker", "beat", "migrate")), 0) + 1]
    answer = subprocess.run([BIN / program, *verbs, "--help"], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert answer.returncode == 0, answer.stderr
    unknown = [word for word in rest if word.startswith("--") and word.split("=")[0] not in answer.stdout + " --app"]
    assert not unknown, f"{name}: {unknown}"


def test_everything_long_lived_has_a_health_check() -> None:
    bare = [name for name, service in SERVICES.items() if not service.get("healthcheck") and name != "migrate"]
    assert not bare


def test_every_variable_that_is_set_is_one_that_settings_read() -> None:
    known = {field.alias for field in Settings.model_fields.values()} | set(telemetry.ENDPOINTS)
    for name in OURS:
        assert set(SERVICES[name]["environment"]) <= known, name


def test_every_variable_that_must_be_given_stands_in_the_example() -> None:
    example = (ROOT / ".env.example").read_text()
    text = (ROOT / "docker-compose.yml").read_text()
    needed = {part.split(":")[0].rstrip("}") for part in text.split("${")[1:]}
    assert [name for name in needed if f"{name}=" not in example] == []


def test_the_images_copy_what_is_there() -> None:
    copied = [line.split()[1:-1] for line in (ROOT / "Dockerfile").read_text().splitlines() if line.startswith("COPY ")]
    assert [path for paths in copied for path in paths if not (ROOT / path).exists()] == []


def has_compose() -> bool:
    if not shutil.which("docker"):
        return False
    return subprocess.run(["docker", "compose", "version"], capture_output=True, timeout=60).returncode == 0


@pytest.mark.skipif(not has_compose(), reason="there is no docker client with compose here")
def test_docker_finds_the_file_valid_with_secrets_and_refuses_it_without() -> None:
    command = [
        "docker",
        "compose",
        "--file",
        str(ROOT / "docker-compose.yml"),
        "--env-file",
        os.devnull,
        "config",
        "-q",
    ]
    bare = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    secrets = {"POSTGRES_PASSWORD": "x", "SECRET_KEY": "y"}
    valid = subprocess.run(command, env={**bare, **secrets}, capture_output=True, text=True, timeout=60)
    assert valid.returncode == 0, valid.stderr
    refused = subprocess.run(command, env=bare, capture_output=True, text=True, timeout=60)
    assert refused.returncode != 0
    assert "set it in .env" in refused.stderr
