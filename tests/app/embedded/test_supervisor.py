"""The supervisor: shows who says what, restarts what dies, and leaves nobody behind, whatever ends it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.embedded.linux import is_alive
from tests.app.embedded.waiting import eventually

ROOT = Path(__file__).resolve().parents[3]
SLEEP = "import time; print('here', flush=True); time.sleep(600)"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEP
# A program whose child moves to a session of its own, hears no SIGTERM, and writes down its number.
PARENT = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {DEAF!r}], start_new_session=True, stdout=subprocess.DEVNULL)
open(sys.argv[-1] if len(sys.argv) > 1 else FILE, "w").write(str(child.pid))
{SLEEP}
"""


class House:
    """A running stand-in and what it said."""

    def __init__(self, log: Path, programs: list[tuple[str, str, dict[str, Any]]]) -> None:
        self.log = log
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "HERE": str(log.parent)}
        with log.open("wb") as out:
            command = [sys.executable, str(Path(__file__).with_name("stand_in.py")), json.dumps(programs)]
            self.process = subprocess.Popen(command, stdout=out, stderr=out, env=environment, start_new_session=True)

    def said(self, text: str) -> bool:
        return text in self.log.read_text()

    def number(self, name: str) -> int:
        """The pid that a program wrote into the file of this name."""
        file = self.log.with_name(name)
        return int(eventually(lambda: file.exists() and file.read_text()))


Open = Callable[..., House]


@pytest.fixture
def open_house(tmp_path: Path) -> Iterator[Open]:
    houses: list[House] = []

    def begin(*programs: tuple[str, str] | tuple[str, str, dict[str, Any]]) -> House:
        filled = [(*program, {})[:3] for program in programs]
        houses.append(House(tmp_path / "log", filled))  # type: ignore[arg-type]
        return houses[-1]

    yield begin
    for house in houses:
        house.process.kill()
        house.process.wait()


def writing_its_pid(name: str, then: str = SLEEP) -> str:
    return f"import os; open(os.environ['HERE'] + '/{name}', 'w').write(str(os.getpid())); {then}"


def with_a_grandchild(name: str) -> str:
    return "import os; FILE = os.environ['HERE'] + '/" + name + "'" + PARENT


def test_each_line_stands_beside_its_programs_name(open_house: Open) -> None:
    house = open_house(("left", "print('one'); " + SLEEP), ("right", "print('two'); " + SLEEP))
    eventually(lambda: house.said("left │ one") and house.said("right │ two"))


def test_a_program_that_dies_is_started_again(open_house: Open) -> None:
    house = open_house(("web", writing_its_pid("pid")))
    first = house.number("pid")
    os.kill(first, signal.SIGKILL)
    eventually(lambda: house.number("pid") != first)
    assert house.said("ended with code -9 (ends of late: 1)")
    assert is_alive(house.process.pid)


def test_one_that_dies_again_and_again_ends_the_house_with_its_last_words(open_house: Open) -> None:
    house = open_house(
        ("calm", writing_its_pid("calm")),
        ("spare", "raise SystemExit(3)", {"is_missed": False}),
        ("broken", "import time; time.sleep(0.5); raise SystemExit('no such table')"),
    )
    calm = house.number("calm")
    assert house.process.wait(60) == 1
    assert house.said("ended with code 3 (ends of late: 6)"), "one that is not missed ends nobody else"
    assert house.said("broken ended 6 times within 60 s. Its last words: no such table")
    assert not is_alive(calm)


@pytest.mark.parametrize("ask", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_asked_to_end_it_leaves_no_grandchild_behind(open_house: Open, ask: signal.Signals) -> None:
    house = open_house(("trainer", with_a_grandchild("grandchild")))
    grandchild = house.number("grandchild")
    eventually(lambda: house.said("here"))
    house.process.send_signal(ask)
    assert house.process.wait(60) == 0
    assert not is_alive(grandchild)


def test_what_a_dead_program_left_running_is_ended_before_it_starts_again(open_house: Open) -> None:
    code = with_a_grandchild("grandchild").replace("import os;", "import os; os.getpid();", 1)
    house = open_house(("trainer", writing_its_pid("trainer", then="pass") + "\n" + code))
    grandchild = house.number("grandchild")
    os.kill(house.number("trainer"), signal.SIGKILL)
    eventually(lambda: not is_alive(grandchild))


def test_a_program_that_does_not_listen_is_killed_after_its_patience(open_house: Open) -> None:
    house = open_house(("deaf", DEAF, {"patience": 0.3}))
    eventually(lambda: house.said("here"))
    house.process.terminate()
    assert house.process.wait(30) == 0


def test_asking_thrice_insists_at_once(open_house: Open) -> None:
    house = open_house(("deaf", DEAF, {"patience": 600}))
    eventually(lambda: house.said("here"))
    for _ in range(6):
        house.process.send_signal(signal.SIGINT)
        time.sleep(0.2)
    assert house.process.wait(30) == 0


def test_services_end_after_the_programs_that_need_them(open_house: Open) -> None:
    last_will = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: (print('bye'), sys.exit())); "
    slow_will = last_will.replace("(print", "(time.sleep(1), print").replace("sys;", "sys, time;", 1)
    house = open_house(
        ("database", last_will + SLEEP, {"is_service": True}),
        ("web", slow_will + SLEEP),
    )
    eventually(lambda: house.log.read_text().count("here") == 2)
    house.process.terminate()
    house.process.wait(30)
    said = house.log.read_text()
    assert 0 < said.index("web │ bye") < said.index("database │ bye")


def test_a_killed_supervisor_takes_its_children_along(open_house: Open) -> None:
    house = open_house(("web", writing_its_pid("web")), ("database", writing_its_pid("database"), {"is_service": True}))
    children = [house.number("web"), house.number("database")]
    house.process.kill()
    eventually(lambda: not any(map(is_alive, children)))


def test_it_ends_when_nobody_reads_its_log_any_more(tmp_path: Path) -> None:
    programs = json.dumps([("web", "import time\nwhile True: print('a line'); time.sleep(0.05)", {})])
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("stand_in.py")), programs],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(60) == 0
