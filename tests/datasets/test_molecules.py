import pickle
import warnings

import pytest
import torch
from rdkit import Chem
from torch_geometric.data import Batch

from torch_afm.data import covalent_bonds, from_smiles, to_ase, to_rdmol
from torch_afm.datasets import MoleculeDataset, published_split, readers, split_by_molecule, store
from torch_afm.datasets.smi import embedded_smiles
from torch_afm.io import write_xyz
from torch_afm.io.xyz import format_xyz
from torch_afm.testing import assert_same_graph
from torch_afm.utils import InputError

SMILES = ["CCO", "c1ccccc1", "CS(C)(=O)=O", "C[Si](C)(C)C", "COP(=O)(OC)OC", "FC(F)(F)Br", "N#CCl"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def no_computing(monkeypatch):
    monkeypatch.setattr(readers, "from_smiles", lambda *_: pytest.fail("computed instead of read"))


def test_items_are_those_of_from_smiles():
    dataset = MoleculeDataset(SMILES, seed=3, charges="mmff94", cache=False)
    assert len(dataset) == len(SMILES) and dataset.failed == []
    for i, smiles in enumerate(SMILES):
        want = from_smiles(smiles, seed=3, charges="mmff94")
        want.name, want.smiles = f"molecule-{i + 1}", smiles
        assert_same_graph(dataset[i], want)
        assert_same_graph(dataset[i - len(SMILES)], want)


def test_embedded_molecules_have_sound_bonds_and_lewis_structures(cache):
    """The bonds of the SMILES are found again from positions, its bond orders from bonds (RDKit misses a
    few orders)."""
    dataset = MoleculeDataset(embedded_smiles()[:150], cache=cache)
    assert dataset.failed == []
    same = 0
    for data in dataset:
        assert torch.equal(covalent_bonds(data.z, data.pos), data.edge_index)
        assert torch.isfinite(data.pos).all() and float(data.charge.sum()) == pytest.approx(0, abs=1e-3)
        mol = Chem.RemoveHs(to_rdmol(data))
        same += Chem.MolToSmiles(mol, isomericSmiles=False) == data.smiles
    assert same >= 0.95 * len(dataset)


@pytest.mark.slow
def test_every_embedded_molecule_has_a_geometry():
    dataset = MoleculeDataset(cache=False)
    assert len(dataset) == 6328 and dataset.failed == []
    assert all(torch.equal(covalent_bonds(d.z, d.pos), d.edge_index) for d in dataset)


def test_second_time_is_read_from_the_cache(cache, no_computing, request):
    monkeypatch = request.getfixturevalue("monkeypatch")
    with monkeypatch.context() as context:
        context.setattr(readers, "from_smiles", from_smiles)
        first = MoleculeDataset(SMILES, cache=cache)
    second = MoleculeDataset(SMILES, cache=cache)
    for a, b in zip(first, second, strict=True):
        assert_same_graph(a, b)


def test_cache_knows_its_inputs(tmp_path):
    variants = [
        (SMILES[:2], 0, "gasteiger"),
        (SMILES[:2], 1, "gasteiger"),
        (SMILES[:2], 0, "mmff94"),
        (SMILES[1::-1], 0, "gasteiger"),
    ]
    for i, (smiles, seed, charges) in enumerate(variants, start=1):
        dataset = MoleculeDataset(smiles, seed, charges, cache=tmp_path)
        assert_same_graph(MoleculeDataset(smiles, seed, charges, cache=False)[0], dataset[0])
        assert len(list(tmp_path.iterdir())) == i


def test_default_cache_folder_follows_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    MoleculeDataset(["C"])
    assert len(list((tmp_path / "xdg" / "torch_afm" / "molecules").glob("*.npz"))) == 1
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    MoleculeDataset(["C"])
    assert len(list((tmp_path / "home" / ".cache" / "torch_afm" / "molecules").glob("*.npz"))) == 1
    MoleculeDataset(["CC"], cache=False)
    assert len(list((tmp_path / "home" / ".cache" / "torch_afm" / "molecules").iterdir())) == 1


@pytest.mark.parametrize(
    "damage", [lambda raw: raw[:200], lambda raw: raw[:300] + b"\0" * 40 + raw[340:], lambda raw: b""]
)
def test_damaged_cache_is_rebuilt(tmp_path, damage):
    want = list(MoleculeDataset(SMILES[:3], cache=tmp_path))
    (file,) = tmp_path.iterdir()
    file.write_bytes(damage(file.read_bytes()))
    with pytest.warns(UserWarning, match="damaged, computing it anew"):
        rebuilt = MoleculeDataset(SMILES[:3], cache=tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = MoleculeDataset(SMILES[:3], cache=tmp_path)
    for a, b, c in zip(rebuilt, again, want, strict=True):
        assert_same_graph(a, c)
        assert_same_graph(b, c)


def test_unwritable_cache_gives_a_warning_only(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.warns(UserWarning, match="cannot write the cache") as caught:
        assert len(MoleculeDataset(["C"] * 200, cache=tmp_path / "file" / "cache")) == 200
    assert len(caught) == 1


def test_interrupted_computation_goes_on_where_it_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "_CHUNK", 2)
    asked = []

    def interrupted(smiles, seed, charges):
        asked.append(smiles)
        if smiles == SMILES[4]:
            raise KeyboardInterrupt
        return from_smiles(smiles, seed, charges)

    monkeypatch.setattr(readers, "from_smiles", interrupted)
    with pytest.raises(KeyboardInterrupt):
        MoleculeDataset(SMILES, cache=tmp_path)
    asked.clear()
    monkeypatch.setattr(readers, "from_smiles", lambda *a: asked.append(a[0]) or from_smiles(*a))
    dataset = MoleculeDataset(SMILES, cache=tmp_path)
    assert sorted(asked) == sorted(SMILES[4:])
    assert [p.suffix for p in tmp_path.iterdir()] == [".npz"]
    for a, b in zip(dataset, MoleculeDataset(SMILES, cache=False), strict=True):
        assert_same_graph(a, b)


def test_failures_are_listed_and_the_rest_keeps_its_numbers(tmp_path):
    given = ["C", "", "CC", "C(", "CCC"]
    for _ in range(2):  # computed, then cached
        with pytest.warns(UserWarning, match="2 of 5 molecules left out"):
            dataset = MoleculeDataset(given, cache=tmp_path)
        assert [(i, s) for i, s, _ in dataset.failed] == [(1, ""), (3, "C(")]
        assert dataset.ids.tolist() == [0, 2, 4] and repr(dataset) == "MoleculeDataset(3, 2 left out)"
        assert dataset.summary().splitlines() == [
            "3 of 5 molecules",
            "2 left out: smiles: expected a valid SMILES with at least one atom",
        ]
        assert all("SMILES" in why for _, _, why in dataset.failed)
        assert [d.name for d in dataset] == ["molecule-1", "molecule-3", "molecule-5"]
        assert [d.smiles for d in dataset] == dataset.smiles == ["C", "CC", "CCC"]


def test_smi_file(tmp_path):
    path = tmp_path / "list.smi"
    path.write_text("# three molecules\nCCO ethanol\n\nC\tmethane gas\nO\n")
    for given in (path, str(path)):
        dataset = MoleculeDataset.read(given, cache=False)
        assert dataset.names == ["ethanol", "methane gas", "molecule-5"]
        assert dataset.smiles == ["CCO", "C", "O"]


def test_items_are_the_callers_own():
    dataset = MoleculeDataset(["CO"], cache=False)
    for value in dataset[0].to_dict().values():
        if torch.is_tensor(value):
            value.zero_()
    assert_same_graph(dataset[0], MoleculeDataset(["CO"], cache=False)[0])


def test_items_collate():
    dataset = MoleculeDataset(SMILES, cache=False)
    batch = Batch.from_data_list(list(dataset))
    assert batch.name == dataset.names and batch.num_graphs == len(SMILES)


def test_pickles_small(cache):
    dataset = MoleculeDataset(embedded_smiles()[:150], cache=cache)
    # Single precision for positions and charges, bytes and int16 for the rest: about 1 kB a molecule.
    raw = pickle.dumps(dataset)
    assert len(raw) < 2000 * len(dataset)
    copy = pickle.loads(raw)
    assert repr(copy) == repr(dataset) == "MoleculeDataset(150)"
    assert_same_graph(copy[7], dataset[7])


def test_split_is_the_published_one_of_the_embedded_list_alone(monkeypatch, tmp_path):
    """Also where a molecule in between cannot be embedded, which moves the indices of those behind it."""
    gone = 1501
    methane = from_smiles("C")

    def instead(smiles, seed, charges):
        if smiles == embedded_smiles()[gone]:
            raise InputError("smiles: expected another")
        return methane

    monkeypatch.setattr(readers, "from_smiles", instead)
    with pytest.warns(UserWarning, match="1 of 6328 molecules left out"):
        dataset = MoleculeDataset(cache=False)
    for part, published in zip(dataset.split(seed=5), published_split(), strict=True):
        assert dataset.ids[part].tolist() == [i for i in published if i != gone]
    own = MoleculeDataset(SMILES, cache=False)
    for part, want in zip(own.split(seed=5), split_by_molecule(len(SMILES), seed=5), strict=True):
        assert part.tolist() == want.tolist()


def _write(path, rows):
    path.write_text("\n".join(rows) + "\n")
    return str(path)


def test_several_lists_follow_each_other(tmp_path):
    one = _write(tmp_path / "one.smi", ["CCO", "nonsense", "C"])
    write_xyz(tmp_path / "two.xyz", from_smiles("O"))
    three = _write(tmp_path / "three.smi", ["X", "CC"])
    with pytest.warns(UserWarning, match="molecules left out"):
        dataset = MoleculeDataset.read([one, tmp_path / "two.xyz", three], cache=tmp_path / "cache")
    assert dataset.ids.tolist() == [0, 2, 3, 5] and len(dataset) == 4
    assert [(number, origin) for number, origin, _ in dataset.failed] == [
        (1, "line 2, nonsense"),
        (4, "line 1, X"),
    ]
    assert dataset.names[:2] == ["molecule-1", "molecule-3"] and dataset.names[3] == "molecule-2"
    assert dataset.smiles is None and dataset[[0, 3]].smiles == ["CCO", "CC"]
    for i, text in enumerate(("CCO", "C", "O", "CC")):
        expected = from_smiles(text)
        assert dataset[i].z.tolist() == expected.z.tolist()
        assert torch.allclose(dataset[i].pos, expected.pos, atol=1e-4)
    assert "4 of 6 molecules" in dataset.summary()
    assert_same_graph(pickle.loads(pickle.dumps(dataset))[2], dataset[2])


def test_dipoles_of_a_list_beside_one_without(tmp_path):
    planar = _write(tmp_path / "planar.smi", embedded_smiles("planar")[:2])
    plain = _write(tmp_path / "plain.smi", ["CCCCCCCCCCO"])
    with pytest.warns(UserWarning, match="1 of 1 molecules have no GFN2-xTB geometry"):
        dataset = MoleculeDataset.read((plain, planar), geometry="xtb", cache=False)
    assert [bool(d.dipole.any()) for d in dataset] == [False, True, True]


def test_each_list_keeps_its_split(tmp_path):
    rows = [SMILES[:5], [*SMILES[5:], "CCCO", "CCN", "CS", "CCl", "CBr", "CF"]]
    files = [_write(tmp_path / f"{i}.smi", part) for i, part in enumerate(rows)]
    mix = MoleculeDataset.read(files, cache=False)
    expected = [split_by_molecule(len(part), seed=3) for part in rows]
    for i, part in enumerate(mix.split(3)):
        assert part.tolist() == [*expected[0][i], *(5 + expected[1][i])]
    assert [p.tolist() for p in mix.split(3)] != [p.tolist() for p in split_by_molecule(len(mix), seed=3)]


def test_the_embedded_lists_in_a_mix(monkeypatch):
    methane = from_smiles("C")
    monkeypatch.setattr(readers, "from_smiles", lambda smiles, seed, charges: methane)
    mix = MoleculeDataset.read(["planar", "organic"], cache=False)
    planar, organic = published_split("planar"), published_split("organic")
    number = len(embedded_smiles("planar"))
    for i, part in enumerate(mix.split(seed=5)):
        assert part.tolist() == [*planar[i], *(number + organic[i])]


@pytest.mark.parametrize("ending", ["smi", "xyz"])
def test_no_test_molecule_of_a_list_is_trained_on_with_another(tmp_path, ending):
    """However it is written: by another SMILES, or by its atoms alone."""
    one = ["CCO", "c1ccccc1", "CC(=O)O", "CCN", "C#N", "CS", "CC(F)Cl", "CCCl", "C=C", "CC#C"]
    again = ["NCC", "N#C", "SC", "C[C@H](F)Cl", "ClCC", "C=C", "C#CC", "OCC", "C1=CC=CC=C1", "OC(C)=O"]
    first = _write(tmp_path / "one.smi", one)
    second = tmp_path / f"two.{ending}"
    if ending == "smi":
        _write(second, again)
    else:
        second.write_text("".join(format_xyz(to_ase(from_smiles(s))) for s in again))
    dataset = MoleculeDataset.read([first, second], cache=False)
    molecule = [*range(10), *range(3, 10), 0, 1, 2]
    train, validation, test = ({molecule[i] for i in part} for part in dataset.split(seed=1))
    assert not train & (validation | test) and not validation & test
    whole = split_by_molecule(10, seed=1)
    assert test == {*whole[2].tolist(), *((whole[2] + 3) % 10).tolist()}
    assert train and len(dataset.split(1)[0]) < 2 * len(whole[0])


def test_bad_input(tmp_path):
    for lists in ([], ["organic", "organic"], ()):
        with pytest.raises(InputError, match="molecules: expected one list or several different ones"):
            MoleculeDataset.read(lists)
    (tmp_path / "empty.smi").write_text("# nothing\n")
    (tmp_path / "binary.smi").write_bytes(bytes(range(256)))
    for given, words in [
        ([], "expected at least one SMILES"),
        ("CCO", "expected a list of SMILES"),
        (["nonsense"], "none of 1 can be used; nonsense: smiles: expected a valid"),
    ]:
        with pytest.raises(InputError, match=words) as error:
            MoleculeDataset(given, cache=False)
        assert "\n" not in str(error.value)
    for file, words in [
        ("empty.smi", "expected at least one SMILES"),
        ("binary.smi", "cannot read"),
        ("none.smi", r"existing \.smi or \.smi\.xz file"),
    ]:
        with pytest.raises(InputError, match=words):
            MoleculeDataset.read(tmp_path / file, cache=False)
    with pytest.raises(InputError, match="charges"):
        MoleculeDataset(["C"], charges="bader", cache=False)
    with pytest.raises(InputError, match="seed"):
        MoleculeDataset(["C"], seed=-1, cache=False)
    for index in (1, -2):
        with pytest.raises(IndexError):
            MoleculeDataset(["C"], cache=False)[index]
