"""Where in an image a residual network computed.

    python examples/computation_maps.py runs/cluttered-mnist-resnet-1 [maps.png]

Takes a run of `tapehead train cluttered-mnist resnet --model.halting sact`, tells how many residual
units were computed at the pixels of the digit, of the clutter and of neither, and draws maps of
them over the first test images where matplotlib is installed.
"""

import dataclasses
import sys
from importlib.util import find_spec
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from tapehead.inspection.maps import units_taken
from tapehead.training import Run

IMAGES, DRAWN = 500, 12


def main(folder: Path, picture: Path | None) -> None:
    run = Run.open(folder)
    model = run.model()
    task = dataclasses.replace(run.config.task, split="test")
    layers = task.layers(jnp.arange(IMAGES), task.data())
    digits, clutter = (np.asarray(layer) for layer in layers)
    images = np.maximum(digits, clutter)
    taken = units_taken(model, images.reshape(IMAGES, -1))
    if taken is None:
        sys.exit("this network tells no units: train one with `tapehead train ... resnet`")

    ink = {"the digit": digits > 0.2, "clutter": clutter > 0.2}
    ink["neither"] = ~(ink["the digit"] | ink["clutter"])
    print(f"residual units at a pixel, mean over {IMAGES} test images: {taken.mean():.2f}")
    for name, where in ink.items():
        if where.any():
            print(f"{name:>10}: {taken[where].mean():.2f} ({where.mean():.0%} of the pixels)")
    by_image = taken.mean(axis=(1, 2))
    print(f"by image: {by_image.min():.2f} to {by_image.max():.2f}")

    if picture and find_spec("matplotlib"):
        from tapehead.inspection.figures import computation

        computation(images[:DRAWN], taken[:DRAWN]).savefig(picture, dpi=110)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
