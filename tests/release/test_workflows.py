"""The jobs that run elsewhere ask for what there is here."""

import configparser
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = {
    path.stem: yaml.safe_load(path.read_text()) for path in (ROOT / ".github/workflows").glob("*.yml")
}


def commands(workflow):
    return [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]


@pytest.mark.parametrize("name", ["tests", "weekly"])
def test_workflows_run_targets_of_the_makefile(name):
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    asked = [re.match(r"make ([\w-]+) PYTHON=python$", command) for command in commands(WORKFLOWS[name])]
    assert asked and all(command and command[1] in targets for command in asked)


def test_each_supported_python_is_tested():
    setup = configparser.ConfigParser(interpolation=None)
    setup.read(ROOT / "setup.cfg")
    classifiers = setup["metadata"]["classifiers"]
    supported = re.findall(r"Python :: (3\.\d+)", classifiers)
    assert supported[0] == setup["options"]["python_requires"].removeprefix(">=")
    for workflow, job in (("tests", "tests"), ("weekly", "latest")):
        assert WORKFLOWS[workflow]["jobs"][job]["strategy"]["matrix"]["python"] == supported
    install = (ROOT / "docs/install.md").read_text()
    assert all(version in install for version in supported)


def test_the_weekly_job_takes_versions_as_they_come():
    rule = (ROOT / "Makefile").read_text().split("\ntest-latest:")[1].split("\n\n")[0]
    assert "constraint" not in rule and "pip freeze" in rule and "pytest" in rule
