"""python -m ml RECIPE FOLDER: run a recipe in its folder. python -m ml tiny FOLDER: build the tiny base model.
python -m ml merge CHECKPOINT FOLDER: merge an adapter into its base. python -m ml safety FILE: the safety table.
python -m ml rewardbench CHECKPOINT DATASET FOLDER: ACC and ACC+ by category over any dataset.
python -m ml serve: answers and judgements, token by token, for questions that come as JSON lines.

Exit codes: 0 done, 2 refused (the last line names the error), 143 asked to stop (a checkpoint is saved), 1 failed.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

from ml.basics import Training
from ml.config import RECIPES, ConfigError, Expand, expander_of
from ml.errors import NoQuantiser, Refused, Stopped
from ml.folder import RunFolder
from ml.launched import depart, die_with_launcher

REFUSED, STOPPED, FAILED = 2, 143, 1
TOOLS = ("tiny", "merge", "safety", "rewardbench", "serve")


def main(arguments: list[str]) -> int:
    die_with_launcher()
    try:
        if arguments[:1] and arguments[0] in TOOLS:
            status: int = import_module(f"ml.{arguments[0]}").main(arguments[1:])
            return status
        if len(arguments) != 2 or arguments[0] not in RECIPES:
            raise Refused(f"say: python -m ml ({' | '.join(RECIPES)}) FOLDER, or python -m ml tiny FOLDER")
        perform(arguments[0], RunFolder(Path(arguments[1])))
    except Stopped:
        return STOPPED
    except Refused as error:
        return _end(error, REFUSED)
    except Exception as error:
        traceback.print_exc()
        return _end(error, FAILED)
    return 0


def perform(recipe: str, folder: RunFolder) -> None:
    """Check what can be checked without torch, then run the recipe. SIGTERM asks it to stop at a safe place."""
    config = folder.config(recipe)
    check(recipe, folder, config)

    def ask_to_stop(number: int, frame: FrameType | None) -> None:
        folder.stopping = True

    signal.signal(signal.SIGTERM, ask_to_stop)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import_module(f"ml.recipes.{recipe}").run(folder, config)


def check(recipe: str, folder: RunFolder, config: object) -> None:
    """What a recipe needs before its first import: inputs, a base that can be there, an expander, a quantiser."""
    from ml.base import base_of

    folder.input("samples.jsonl" if recipe in ("cluster", "generate") else "dataset")
    if isinstance(config, Expand) and expander_of(config, os.environ) == "local":
        base_of(config.base)
    if recipe in ("reward", "mm_dpo"):
        base_of(getattr(config, "base", ""))
    if isinstance(config, Training) and config.adapter == "qlora":
        need_quantiser(config.shard)
    for name in {"score": ["reward"], "evaluate": ["policy"]}.get(recipe, []):
        folder.input(name)


def need_quantiser(shard: bool) -> None:
    """QLoRA's weights of four bits need their library, and cannot be shared out. Raises NoQuantiser, ConfigError."""
    if shard:
        raise ConfigError("shard", "weights of four bits cannot be shared out: take 'lora', or leave shard off")
    if find_spec("bitsandbytes") is None:
        raise NoQuantiser("adapter 'qlora' needs bitsandbytes, which is not here (group qlora); 'lora' needs no more")


def _end(error: Exception, status: int) -> int:
    print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
    return status


if __name__ == "__main__":
    depart(main(sys.argv[1:]))
