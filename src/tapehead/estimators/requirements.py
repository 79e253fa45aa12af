"""What the estimators need beside tapehead itself."""

import importlib.util

from tapehead.errors import UserError


def expect_installed(extra: str, *packages: str) -> None:
    """Refuse to go on without the packages, with the command that installs their extra."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"estimators: {' and '.join(missing)} missing; run: pip install 'tapehead[{extra}]'"
        )


expect_installed("estimators", "sklearn", "pandas")
