"""What ``import torch_afm`` opens onto."""

import subprocess
import sys

import pytest

import torch_afm


def test_importing_the_package_imports_nothing_else():
    code = (
        "import sys, torch_afm; dir(torch_afm); "
        "print(sorted({'torch', 'numpy', 'rdkit', 'torch_geometric'} & sys.modules.keys()))"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout.strip() == "[]"


def test_every_name_opens_and_is_that_of_its_package():
    assert set(torch_afm.__all__) <= set(dir(torch_afm)) and "__version__" in dir(torch_afm)
    for name in torch_afm.__all__:
        value = getattr(torch_afm, name)
        package = value.__name__ if name in torch_afm._MODULES else value.__module__
        assert package.startswith(f"torch_afm.{torch_afm._NAMES.get(name, name)}")
    from torch_afm.data import from_smiles

    assert torch_afm.from_smiles is from_smiles


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="module 'torch_afm' has no attribute 'from_smile'"):
        torch_afm.from_smile  # noqa: B018
