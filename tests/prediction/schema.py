"""The schema of prediction.json."""

import json
from importlib import resources

import jsonschema

_FILE = resources.files("torch_afm.prediction").joinpath("resources/prediction.schema.json")
SCHEMA = json.loads(_FILE.read_text(encoding="utf-8"))


def check_record(record: dict) -> None:
    """Raise where a record is not what the schema says, or an index points at no atom."""
    jsonschema.Draft202012Validator(SCHEMA).validate(record)
    n = len(record["atoms"])
    agreement = record["agreement"]
    bonded = [i for bond in record["bonds"] for i in bond]
    indices = [*bonded, *agreement["doubtful"], *agreement["doubtful_elements"]]
    assert all(i < n for i in indices)
    for atom in record["atoms"]:
        assert (
            list(atom["class_probabilities"]) == record["classes"][1:] and atom["class"] in record["classes"]
        )
