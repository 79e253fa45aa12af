"""Imports point one way, and `import tapehead` stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import tapehead

PACKAGE = Path(tapehead.__file__).parent

# Each room may import from itself and from the rooms named here, and from nowhere else.
BASE = {"errors", "registry", "numerics"}
CORE = BASE | {"cell", "sequences"}
ROOMS: dict[str, set[str]] = {
    "errors": set(),
    "registry": {"errors"},
    "numerics": set(),
    "cell": {"errors"},
    "sequences": {"errors"},
    "cells": CORE - {"sequences"},
    "memory": CORE - {"sequences"} | {"cells"},
    "networks": CORE - {"sequences"} | {"cells", "memory"},
    "learning": CORE,
    "datasets": BASE,
    "tasks": CORE - {"cell"} | {"datasets"},
    "models": CORE - {"sequences"} | {"cells", "memory", "networks"},
    "training": CORE | {"cells", "memory", "learning", "datasets", "tasks", "models"},
    "generation": CORE | {"datasets", "tasks"},
    "inspection": CORE
    | {"cells", "memory", "datasets", "generation", "tasks", "models", "training"},
    "testing": CORE | {"cells", "memory", "learning", "tasks", "models", "estimators"},
    "estimators": CORE
    | {"cells", "networks", "learning", "datasets", "tasks", "models", "training", "generation"},
    "comparison": CORE | {"tasks", "models", "training", "inspection"},
    "cli": CORE
    | {"learning", "datasets", "tasks", "models", "training", "inspection", "comparison"}
    | {"generation", "estimators"},
}


def room_of(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            modules = [node.module or ""]
            if node.module == "tapehead":
                modules = [f"tapehead.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        else:
            continue
        rooms |= {m.split(".")[1] for m in modules if m.startswith("tapehead.")}
    return rooms


def test_imports_point_one_way():
    wrong = []
    for path in sorted(PACKAGE.rglob("*.py")):
        room = room_of(path)
        if room in ("__init__", "__main__"):
            continue
        assert room in ROOMS, f"{path.name}: the room '{room}' is not in docs/architecture.md"
        for other in sorted(imported_rooms(path) - ROOMS[room] - {room}):
            wrong.append(f"{path.relative_to(PACKAGE)} imports tapehead.{other}")
    assert not wrong, "\n".join(wrong)


def test_the_library_imports_no_tools():
    code = (
        "import sys, tapehead; "
        "print([m for m in ('sklearn', 'matplotlib', 'plotly', 'tyro', 'rich', 'pooch', 'pandas') "
        "if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
