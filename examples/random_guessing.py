"""How many networks have to be guessed until one remembers for 500 steps.

    python examples/random_guessing.py [SEARCHES]

All weights are drawn uniformly from ±100, again and again, until a network is right about each of
100 sequences and of 100 further ones: no gradient, nothing that is learned. Latch: two classes of
sequences of 500 to 550 numbers, of which the first three tell the class and all others are noise
(`two-sequence`); a net of one unit and a readout. Parity: whether the ones among 500 to 600 bits
are odd in number (`parity`); two units and a readout. Sources: Hochreiter and Schmidhuber,
"LSTM can solve hard long time lag problems" (1996); Bengio, Simard and Frasconi, "Learning
long-term dependencies with gradient descent is difficult" (1994).
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np

from tapehead import Chain, Elman, Linear, RandomGuessing
from tapehead.learning.rule import as_vector
from tapehead.tasks import TASKS

GUESSES, SEQUENCES, MOST = 200, 100, 100_000
KEY = jax.random.key(0)


def net(units):
    return Chain(Elman(1, units, key=KEY), Linear(units, 1, key=KEY))


NETS = {
    "latch": (TASKS["two-sequence"](500), net(1)),
    "parity": (TASKS["parity"](500, 600), net(2)),
}


def searches(task, cell, count):
    """The trials of each search."""
    vector, cell_at = as_vector(cell)
    guessing = RandomGuessing(population=GUESSES, scale=100.0)

    def right(guess, sequences):
        """Whether the last output is on the right side of 0 in every sequence."""
        state = cell.initial_state(sequences.batch)
        _, outputs = cell_at(guess).unroll(state, sequences.inputs, mask=sequences.mask)
        wrong = (outputs > 0) != (sequences.targets > 0.5)
        return ~jnp.any(wrong[..., 0] & (sequences.weights > 0))

    @jax.jit
    def trials(key):
        train, test, draw = jax.random.split(key, 3)
        # A few sequences tell nearly all that are wrong.
        sets = [task.sample(train, SEQUENCES), task.sample(test, SEQUENCES)]
        few = jax.tree.map(lambda x: x[:, :12], sets[0])

        def generation(before):
            made, _ = before
            standing = guessing.start(vector, draw)
            guesses = guessing.propose(standing, jax.random.fold_in(draw, made))[0][1:]

            def of_all(sequences):
                return jax.vmap(lambda guess: right(guess, sequences))(guesses)

            hopeful = of_all(few)
            found = jax.lax.cond(
                jnp.any(hopeful),
                lambda: hopeful & of_all(sets[0]) & of_all(sets[1]),
                lambda: hopeful,
            )
            return made + GUESSES, found

        def goes_on(now):
            return ~jnp.any(now[1]) & (now[0] < MOST)

        made, last = jax.lax.while_loop(
            goes_on, generation, (jnp.int32(0), jnp.zeros(GUESSES, bool))
        )
        return made - GUESSES + 1 + jnp.argmax(last), jnp.any(last)

    return [tuple(map(int, trials(jax.random.key(seed)))) for seed in range(count)]


def main(count="10"):
    for name, (task, cell) in NETS.items():
        found = searches(task, cell, int(count))
        trials = sorted(made for made, _ in found)
        unsolved = sum(not solved for _, solved in found)
        print(
            f"{name}: median {np.median(trials):.0f} trials, from {trials[0]} to {trials[-1]}; "
            f"{unsolved} of {len(trials)} searches found nothing in {MOST} trials"
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
