"""Settings that suit a task and a model together, used wherever the user names none."""

from tapehead.training.config import AnyConfig


def suggest(
    task: str, model: str, *, rule: str | None = None, optimizer: str | None = None
) -> AnyConfig:
    """The config that `tapehead train TASK MODEL` starts from, for the user's options to overlay.

    Later wins: the fields' own defaults; `Task.defaults`; the table here for the pair.
    A learning rate from the tables holds only for the optimiser it was found with.

    **Raises:** `UserError` for an unknown name.
    """
    raise NotImplementedError
