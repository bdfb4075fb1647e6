import pytest

from tests.metrics.molecules.graphs import on_a_line
from torch_afm.metrics import MoleculeMetrics


@pytest.fixture
def metrics():
    made = MoleculeMetrics()
    made.update(on_a_line(0.0, 2.4), on_a_line(0.1, 2.0, 4.0), "stop")  # 0.1 and 0.4 off, one missed
    made.update(on_a_line(), on_a_line(1.0), "stop")
    made.update(on_a_line(0.0, 1.0, 2.0, 9.0), on_a_line(0.0, 1.0, 2.0, 3.0), "repeat")  # three of four
    return made
