"""How alertdrill starts its own programs: the watchdog, and the holders of faults.

There is no shell. Python imports nothing from the working directory, and the variables that make a program load other
code are left out. The rest of the environment stays, because faults name the variables that hold their secrets.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

# Absolute entries of these stay: an installation may need them.
_SEARCH_PATHS = {"PYTHONPATH", "LD_LIBRARY_PATH"}
_LOADS_CODE = ("LD_", "PYTHON", "BASH_ENV", "BASH_FUNC_")


def python_module(module: str, *words: str) -> list[str]:
    """Return the command that runs a module of alertdrill."""
    # Without -P, Python would import a folder `alertdrill` of the working directory.
    return [sys.executable, "-P", "-m", module, *words]


def own_environment() -> dict[str, str]:
    """Return the environment for one of alertdrill's own programs."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_LOADS_CODE) and name != "ENV"}
    for name in _SEARCH_PATHS & os.environ.keys():
        if folders := [one for one in os.environ[name].split(os.pathsep) if Path(one).is_absolute()]:
            kept[name] = os.pathsep.join(folders)
    return kept
