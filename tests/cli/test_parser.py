"""Options from dataclasses: help, YAML, errors."""

import dataclasses

import pytest
import yaml

from torch_afm.cli.parser import Parser
from torch_afm.config import Scan, Tip
from torch_afm.utils import InputError


@pytest.fixture
def parser() -> Parser:
    parser = Parser("simulate", "A test.")
    parser.add_argument("--config", action="config", help="a YAML file")
    parser.add_argument("--note", help="of no consequence")
    parser.add_settings(Scan, "scan", name="scan")
    parser.add_settings(Tip, "tip", name="tip")
    return parser


def test_every_field_is_explained_with_its_unit_and_default(parser):
    actions = {a.dest: a for a in parser._actions}
    for cls, name in ((Scan, "scan"), (Tip, "tip")):
        for field in dataclasses.fields(cls):
            assert actions[f"{name}.{field.name}"].help, field.name
    text = " ".join(parser.format_help().split())
    assert "height step from slice to slice in Å. (type: float, default: 0.1)" in text
    assert "gap in Å between the spheres of the probe" in text  # the entry's second line is read too
    assert "default: null" not in text


def test_settings_without_a_name():
    @dataclasses.dataclass(frozen=True)
    class Settings:
        """Settings of a test.

        Args:
            share: part in % of
                the ``whole`` :class:`~torch_afm.config.Scan`.
        """

        share: float = 5.0

    parser = Parser("test", "A test.")
    parser.add_settings(Settings, "settings")
    text = " ".join(parser.format_help().split())
    assert "settings: --share SHARE part in % of the whole Scan. (type: float, default: 5.0)" in text
    assert parser.parse_args(["--share", "7"]).share == 7.0


def test_options_of_nested_dataclasses():
    @dataclasses.dataclass(frozen=True)
    class Inner:
        """How it is done.

        Args:
            max_steps: at most so many.
            loud: with noise.
        """

        max_steps: int = 3
        loud: bool = False

    @dataclasses.dataclass(frozen=True)
    class Outer:
        """Everything.

        Args:
            inner: see there.
            share: a part.
        """

        inner: Inner = dataclasses.field(default_factory=Inner)
        share: float | None = None

        def __post_init__(self):
            if self.share == 7:
                raise InputError("share, inner: expected no 7")

    # Hints of local classes are not found by their names.
    Outer.__annotations__["inner"] = Inner
    parser = Parser("test", "A test.")
    parser.add_options(Outer)
    assert parser.build(Outer, parser.parse_args([])) == Outer()
    found = parser.build(Outer, parser.parse_args(["--max-steps", "5", "--loud", "--share", "0.5"]))
    assert found == Outer(Inner(5, True), 0.5)
    with pytest.raises(InputError, match=r"^--share, inner: expected no 7; see torch-afm test"):
        parser.build(Outer, parser.parse_args(["--share", "7"]))
    text = " ".join(parser.format_help().split())
    assert "How it is done: --max-steps MAX_STEPS at most so many. (type: int, default: 3)" in text


def test_flags_become_the_dataclass(parser):
    args = parser.instantiate(parser.parse_args(["--scan.pixels", "[64,32]", "--tip.tilt", "[-0.1,0.2]"]))
    assert args.scan == Scan(pixels=(64, 32))
    assert args.tip == Tip(tilt=(-0.1, 0.2))


def test_a_yaml_file_does_the_same_and_flags_win(parser, tmp_path):
    path = tmp_path / "scan.yaml"
    path.write_text(yaml.safe_dump({"scan": {"pixels": [64, 32], "dz": 0.2}, "tip": {"probe": "Xe"}}))
    args = parser.instantiate(parser.parse_args(["--config", str(path), "--scan.dz", "0.05"]))
    assert args.scan == Scan(pixels=(64, 32), dz=0.05)
    assert args.tip == Tip(probe="Xe")


#: Arguments -> what the error says.
BAD = [
    (["--bogus", "1"], "unrecognized arguments: --bogus"),
    (["--scan.pixel", "[64,64]"], "unrecognized arguments: --scan.pixel"),  # not taken for --scan.pixels
    (["--scan.dz", "a"], "--scan.dz: Expected a float. Got value: a"),
    (["--scan.pixels", "64"], "--scan.pixels: Expected a tuple"),
    (["--config", "none.yaml"], "none.yaml"),
    (["--config", "number.yaml"], "--scan: expected settings by name, got 3"),
    (["--config", "text.yaml"], "--note: expected text, got 3"),
    (["--config", "empty.yaml"], "--config: expected options by name"),
    (["--config", "loop.yaml"], "--config: expected settings, got a list or mapping that holds itself"),
    (["--config", "latin.yaml"], "--config: expected text in UTF-8, got the byte 0xe5 at position 18"),
]


def test_errors_are_one_line_and_point_to_the_help(parser, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"scan:\n  dz: 0.1 # \xe5\n")
    texts = {"number": "scan: 3", "text": "note: 3", "empty": "# nothing", "loop": "a: &a [*a]"}
    for name, text in texts.items():
        (tmp_path / f"{name}.yaml").write_text(text + "\n")
    for arguments, message in BAD:
        with pytest.raises(InputError) as caught:
            parser.parse_args(arguments)
        text = " ".join(str(caught.value).split())
        assert message in text
        assert arguments[-1] in ("latin.yaml", "loop.yaml") or text.endswith("see torch-afm simulate --help")
