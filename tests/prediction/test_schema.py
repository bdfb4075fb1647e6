"""What a prediction writes is what its schema says."""

import dataclasses
import json

import jsonschema
import pytest

from tests.prediction.networks import SCAN, Oracle
from tests.prediction.schema import SCHEMA, check_record
from torch_afm.config import PredictOptions, SearchOptions, Tip, to_dict
from torch_afm.data import AFMData
from torch_afm.io import AFMStack
from torch_afm.ppm import ProbeParticleModel
from torch_afm.prediction import predict, session
from torch_afm.testing import benzene

PLAIN = PredictOptions(search=SearchOptions(refine=False, views=1))
REFINED = PredictOptions(search=SearchOptions(views=1))


def stack(**meta) -> AFMStack:
    images = ProbeParticleModel(SCAN)(benzene(), z_top=8.8)[0].numpy()
    known = {"z_top": 8.8, "scan": to_dict(SCAN), "tip": to_dict(Tip())} | meta
    return AFMStack(images, SCAN.x, SCAN.y, SCAN.slice_heights(8.8), known)


@pytest.mark.parametrize(
    ("options", "meta", "key"),
    [
        (PLAIN, {}, "steps"),
        (PLAIN, {"unit": "V"}, "imaging"),
        (REFINED, {}, "scan"),
        (dataclasses.replace(PLAIN, rotations=2), {}, "scan"),
        (dataclasses.replace(PLAIN, answers=3), {}, "answers"),
    ],
    ids=["plain", "volts", "refined", "rotations", "answers"],
)
def test_records_of_predictions(options, meta, key, monkeypatch):
    monkeypatch.setattr(session, "load_generator", lambda weights: Oracle(benzene()))
    record = json.loads(json.dumps(predict(stack(**meta), "small", options).to_dict()))
    check_record(record)
    assert record[key]


def test_nothing_found_is_a_record_too(monkeypatch):
    monkeypatch.setattr(session, "load_generator", lambda weights: Oracle(AFMData.empty()))
    record = json.loads(json.dumps(predict(stack(), "small", PLAIN).to_dict()))
    check_record(record)
    assert record["atoms"] == record["bonds"] == []


def test_what_is_not_described_is_refused(monkeypatch):
    monkeypatch.setattr(session, "load_generator", lambda weights: Oracle(benzene()))
    record = json.loads(json.dumps(predict(stack(), "small", PLAIN).to_dict()))
    for wrong in (
        record | {"more": 1},
        {key: value for key, value in record.items() if key != "atoms"},
        record | {"bonds": [[0, 1, 2]]},
        record | {"agreement": record["agreement"] | {"status": "agrees"}},
    ):
        with pytest.raises(jsonschema.ValidationError):
            check_record(wrong)


def described(schema, where=""):
    """Every key with its schema."""
    for key, part in schema.get("properties", {}).items():
        yield f"{where}.{key}", part
        yield from described(part, f"{where}.{key}")


def test_every_key_is_described_with_its_unit():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    parts = [SCHEMA, *SCHEMA["$defs"].values()]
    keys = {name: part for one in parts for name, part in described(one)}
    assert len(keys) > 80 and all(part.get("description") for part in keys.values())
    lengths = (".pos", ".sigma", ".imaging.z_top", ".imaging.scan.dz", ".imaging.tip.tilt", ".cutoff")
    assert all("Å" in keys[name]["description"] for name in lengths if name in keys)
    assert "N/m" in keys[".imaging.tip.stiffness"]["description"]
