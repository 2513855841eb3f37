"""Make the tables of :mod:`xspecnf.physics.comptonisation`, which ship with the package:
`python -m xspecnf.physics.tabulate`.

ln n is stored in whole numbers of QUANTUM, and of these the second differences along the energies: they are small, and
a compressed file of them is a fourteenth of the table.
"""

from pathlib import Path

import numpy as np

from xspecnf.physics import disc
from xspecnf.physics.comptonisation import (
    GAMMA_FIRST,
    GAMMA_NODES,
    GAMMA_STEP,
    KT_FIRST,
    KT_NODES,
    KT_STRIDE,
    QUANTUM,
    TABLE_FILE,
    Y_FIRST,
    Y_NODES,
    Y_STRIDE,
)
from xspecnf.physics.kompaneets import BINS, CENTRES, EDGES, FIRST_SEED_BIN, STEP, scatter


def scattered_table() -> np.ndarray:
    """ln of the scattered photons/cm^2/s per unit of ln E, norm = 1, divided by kT^3, at the nodes of (Gamma, ln kT,
    ln E/kT).
    """
    kt_index = KT_FIRST + KT_STRIDE * np.arange(KT_NODES)
    temperature = CENTRES[kt_index]
    width = np.diff(EDGES)
    seed = disc.density(CENTRES, temperature[:, None]).T * width[:, None]
    seed[:FIRST_SEED_BIN] = 0
    scattered = scatter(seed, GAMMA_FIRST + GAMMA_STEP * np.arange(GAMMA_NODES))
    energy_index = np.clip(kt_index[:, None] + Y_FIRST + Y_STRIDE * np.arange(Y_NODES), 0, BINS - 1)
    table = scattered[energy_index, :, np.arange(KT_NODES)[:, None]] * (CENTRES / width)[energy_index][..., None]
    return np.log(np.maximum(table.transpose(2, 0, 1), 1e-300)) - 3 * np.log(temperature)[:, None]


def disc_table() -> np.ndarray:
    """Unscattered photons/cm^2/s per unit of ln E, norm = 1, divided by kT^3, at the nodes of ln E/kT."""
    x = np.exp((Y_FIRST + Y_STRIDE * np.arange(Y_NODES)) * STEP)
    return x * disc.template(x)


def write(path: Path) -> None:
    """Write both tables."""
    steps = np.rint(scattered_table() / QUANTUM).astype(np.int32)
    for _ in range(2):
        steps = np.diff(steps, axis=2, prepend=np.int32(0))
    np.savez_compressed(path, scattered=steps, disc=disc_table())


if __name__ == "__main__":
    write(Path(__file__).parent / "data" / TABLE_FILE)
