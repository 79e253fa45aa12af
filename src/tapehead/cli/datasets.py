"""`tapehead datasets list|get|check`: the data sets there are, and those that are here."""

from collections.abc import Sequence
from pathlib import Path

from tapehead.cli.options import Parser, one_of
from tapehead.datasets import DATASETS, DataFile, Dataset, fetch
from tapehead.datasets.fetch import damage, holdings
from tapehead.errors import UserError

ACTIONS = ("list", "get", "check")


def parser() -> Parser:
    """The parser of this command."""
    made = Parser(
        "datasets",
        "list [NAME ...] | get NAME ... | check [NAME ...]",
        "List the data sets there are and which of them are here; download some into the cache, "
        "going on where a download broke off; or verify the size and checksum of every file that "
        "is here, with exit status 2 if one is damaged or missing.",
    )
    made.add_argument("action", metavar="ACTION", type=one_of(ACTIONS), help=", ".join(ACTIONS))
    made.add_argument("names", metavar="NAME", nargs="*", help=", ".join(DATASETS))
    made.data_option()
    return made


def whole(dataset: Dataset, found: dict[DataFile, Path]) -> bool:
    """Whether the files that were found make up the data set, in one of its forms."""
    forms = [form for form in (dataset.files, dataset.repacked) if form]
    return any(all(file in found for file in form) for form in forms)


def line(data: Dataset, width: int) -> str:
    """What `list` shows: name, title, size of the download, licence, and where it is."""
    found = holdings(data)
    folders = sorted({str(path.parent) for path in found.values()})
    state = f"in {', '.join(folders)}" if folders else "not here"
    if folders and not whole(data, found):
        state += ", in part"
    size = f"{data.size / 1e6:.1f} MB"
    return f"  {data.name:<{width}}  {data.title} ({size}; {data.licence}): {state}"


def faults(data: Dataset) -> list[str]:
    """What is wrong with the files that are here, and what is missing beside them, a line each."""
    found = holdings(data)
    damaged = {path: damage(file, path) for file, path in found.items()}
    lines = [f"{path} is damaged: it {wrong}" for path, wrong in damaged.items() if wrong]
    if found and not whole(data, found):
        lines += [f"{file.name} is missing" for file in data.files if file not in found]
    return lines


def check(names: Sequence[str]) -> list[str]:
    """Print the condition of every data set; the names of those with faults."""
    bad = []
    for data in (DATASETS[name] for name in names):
        wrong = faults(data)
        state = "whole and right" if holdings(data) else "not here"
        for text in wrong or [state]:
            print(f"{data.name}: {text}")
        if wrong:
            bad.append(data.name)
    return bad


def run(args: Sequence[str]) -> int:
    """The command; returns the exit status."""
    given = parser().read(args)
    for name in given.names:
        DATASETS[name]  # an unknown name is refused before anything is done
    if given.action == "get":
        if not given.names:
            raise UserError(f"datasets: get needs a NAME; one of: {', '.join(DATASETS)}")
        for data in (DATASETS[name] for name in given.names):
            for path in get(data):
                print(path)
        return 0
    names = given.names or list(DATASETS)
    if given.action == "list":
        width = max(map(len, names))
        print("\n".join(line(DATASETS[name], width) for name in names))
        return 0
    if bad := check(names):
        raise UserError(
            f"datasets: damaged or missing: {', '.join(bad)}; remove what is damaged, then run: "
            f"tapehead datasets get {' '.join(bad)}"
        )
    return 0


def get(data: Dataset) -> list[Path]:
    """The files of a data set, verified, and downloaded where they are not here."""
    found = holdings(data)
    complete = data.repacked and all(file in found for file in data.repacked)
    wanted = data.repacked if complete or not data.files else data.files
    return [fetch(data, file.name) for file in wanted]
