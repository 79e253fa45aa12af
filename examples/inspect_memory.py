"""Look inside the memory of a trained network.

    python examples/inspect_memory.py runs/copy-dnc-1

Reads one sequence with the network of a run on the copy task (`tapehead train copy dnc`), tells
which slot it wrote and read at every step, and draws the heads where matplotlib is installed.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

import jax
import numpy as np

from tapehead.inspection import fields_of, trace
from tapehead.training import Run


def place(weights: np.ndarray) -> str:
    """The slot on which a head's weights lie, if on one."""
    slot = int(weights.argmax())
    return f"slot {slot + 1:3}" if weights[slot] > 0.5 else "-       "


def main(folder: Path) -> None:
    run = Run.open(folder)
    task, model = run.config.task, run.model()

    # One sequence at the longest training length; no batch axis is needed.
    longest = task.resized(task.max_length)
    batch = jax.jit(longest.sample, static_argnums=1)(jax.random.key(1), 1)
    inputs, targets = batch.inputs[:, 0], batch.targets[:, 0]

    print("fields:", ", ".join(fields_of(model, inputs)))
    seen = trace(model, inputs, fields=("memory.*", "interface.*"))
    write = np.asarray(seen.find("memory.write_weights"))[:, 0]
    read = np.asarray(seen.find("memory.read_weights"))[:, 0]

    print("\nstep  input      wrote     read      output     right")
    for t, x in enumerate(np.asarray(inputs)):
        given = "".join("#" if bit else "." for bit in x)
        told = said = ""
        if batch.weights[t, 0] > 0:
            said = "".join("#" if logit > 0 else "." for logit in seen.outputs[t])
            wanted = "".join("#" if bit else "." for bit in targets[t])
            told = "yes" if said == wanted else f"no: {wanted}"
        print(f"{t + 1:4}  {given:9}  {place(write[t])}  {place(read[t])}  {said:9}  {told}")

    if find_spec("matplotlib"):
        from tapehead.inspection import figures

        figures.heads(seen).savefig(folder / "heads.png", dpi=150)
        print(f"\nwrote {folder / 'heads.png'}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
