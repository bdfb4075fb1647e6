import pytest

from torch_afm.train import TrainConfig
from torch_afm.utils import InputError


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("batch_size", -1),
        ("lr", 0.0),
        ("schedule", "step"),
        ("precision", "8"),
        ("workers", -1),
    ],
)
def test_bad_settings_name_the_argument(name, value):
    with pytest.raises(InputError, match=name):
        TrainConfig(**{name: value})


def test_total_steps_counts_the_last_short_batch():
    # 100 samples over 2 processes are 50 each: 4 batches of 16, the last one short; 3 epochs.
    assert TrainConfig(epochs=3, epoch_samples=100, batch_size=16, devices=2).total_steps == 12
