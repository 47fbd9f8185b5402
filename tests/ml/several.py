"""MM-DPO in one folder after the other, as `python -m ml mm_dpo FOLDER`: starting Python costs more than they do."""

from __future__ import annotations

import sys

from ml.__main__ import main
from ml.launched import depart

if __name__ == "__main__":
    depart(max(main(["mm_dpo", folder]) for folder in sys.argv[1:]))
