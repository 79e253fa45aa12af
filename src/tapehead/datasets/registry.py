"""Which data sets there are: files, checksums, sizes, licences and where to get them."""

from dataclasses import dataclass

from tapehead.errors import UserError, nearest
from tapehead.registry import Registry


@dataclass(frozen=True)
class DataFile:
    """One file of a data set, exactly as published.

    **Attributes:**

    - `name`: its name inside the data set's folder.
    - `sha256`: its checksum, in hexadecimal.
    - `size`: its length in bytes.
    - `urls`: where it can be downloaded; the first that answers rightly is taken.
    """

    name: str
    sha256: str
    size: int
    urls: tuple[str, ...]


@dataclass(frozen=True)
class Dataset:
    """A data set: its files, and what one should know before using it.

    **Attributes:**

    - `name`: what it is called here, and the name of its folder.
    - `title`: what it is called elsewhere.
    - `licence`: under what terms it may be used.
    - `source`: the publisher's page or the paper.
    - `files`: what it consists of.
    """

    name: str
    title: str
    licence: str
    source: str
    files: tuple[DataFile, ...]

    def file(self, name: str) -> DataFile:
        """The file called `name`. Raises `UserError` if there is none."""
        names = [file.name for file in self.files]
        if name not in names:
            raise UserError(f"{self.name}: has no file '{name}'{nearest(name, names)}")
        return self.files[names.index(name)]


def _mnist_file(name: str, sha256: str, size: int) -> DataFile:
    mirrors = (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    )
    return DataFile(name, sha256, size, tuple(mirror + name for mirror in mirrors))


MNIST = Dataset(
    name="mnist",
    title="MNIST handwritten digits",
    licence="CC BY-SA 3.0 by common report; the publisher's page states none",
    source="LeCun, Cortes and Burges, http://yann.lecun.com/exdb/mnist/",
    files=(
        _mnist_file(
            "train-images-idx3-ubyte.gz",
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            9_912_422,
        ),
        _mnist_file(
            "train-labels-idx1-ubyte.gz",
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            28_881,
        ),
        _mnist_file(
            "t10k-images-idx3-ubyte.gz",
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            1_648_877,
        ),
        _mnist_file(
            "t10k-labels-idx1-ubyte.gz",
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            4_542,
        ),
    ),
)

DATASETS: Registry[Dataset] = Registry("data set", {MNIST.name: MNIST})
