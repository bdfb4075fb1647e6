"""The report on this machine, and on worse ones."""

import pytest
from jsonargparse import Namespace

from torch_afm.cli import doctor
from torch_afm.cli.doctor import Check
from torch_afm.ppm import ProbeParticleModel


def lines(part):
    return [str(check) for check in part()]


def test_a_real_report(cli):
    """Every line has a status, whatever is not ok says what to do, and the exit status fits the lines."""
    result = cli("doctor")
    assert result.stderr == ""
    *report, verdict = result.stdout.splitlines()
    statuses = [line.split()[0] for line in report if not line.startswith(" ")]
    assert set(statuses) <= {"ok", "warning", "missing"}
    for line, following in zip(report, [*report[1:], verdict], strict=True):
        if line.startswith("missing"):
            assert following.lstrip().startswith("->")
    assert result.returncode == (1 if "missing" in statuses else 0)
    assert verdict.startswith(
        "torch-afm predict works" if result.returncode == 0 else "torch-afm predict does not"
    )
    assert any("torch renderer: 64 x 64 x 10" in line for line in report)


@pytest.mark.parametrize(("statuses", "code"), [(["ok", "warning"], 0), (["ok", "missing", "ok"], 1)])
def test_only_what_is_missing_fails(monkeypatch, capsys, statuses, code):
    for name in ("_packages", "_opencl", "_folders", "_weights"):
        monkeypatch.setattr(doctor, name, lambda: [])
    monkeypatch.setattr(doctor, "_renders", lambda: [Check(s, "a line") for s in statuses])
    assert doctor.main(Namespace()) == code
    capsys.readouterr()


def _break(monkeypatch, *backends):
    """Renderers with these backends cannot be made."""

    def make(*args, backend="auto", **kwargs):
        if backend in backends:
            raise RuntimeError("clBuildProgram\nfailed")
        return ProbeParticleModel(*args, backend=backend, **kwargs)

    monkeypatch.setattr(doctor, "ProbeParticleModel", make)


def test_one_broken_renderer_is_a_warning(monkeypatch):
    _break(monkeypatch, "opencl")
    found = lines(doctor._renders)
    assert [line.split()[0] for line in found] == ["ok", "warning", "ok"]
    assert "OpenCL renderer fails: clBuildProgram failed" in found[1]


def test_two_broken_renderers_are_the_end(monkeypatch):
    _break(monkeypatch, "opencl", "torch", "auto")
    assert [line.split()[0] for line in lines(doctor._renders)] == ["warning", "warning", "missing"]


def test_renderers_that_disagree_are_found_out(monkeypatch):
    class Wrong(ProbeParticleModel):
        def forward(self, *args, **kwargs):
            return super().forward(*args, **kwargs) * (1.1 if self.backend == "opencl" else 1.0)

    monkeypatch.setattr(doctor, "ProbeParticleModel", Wrong)
    (line,) = [line for line in lines(doctor._renders) if "differ" in line]
    assert line.startswith("missing")


def test_missing_packages_and_linker(monkeypatch):
    real = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda n: None if n in ("pyopencl", "lightning") else real(n))
    assert any(line.startswith("warning  lightning not installed") for line in lines(doctor._packages))
    (line,) = lines(doctor._opencl)
    assert line.startswith("warning  pyopencl not installed")
    monkeypatch.setattr(doctor, "_version", real)
    monkeypatch.setattr(doctor.shutil, "which", lambda name: None)
    assert any("no linker `ld`" in line for line in lines(doctor._opencl))


def test_the_verdict_is_that_of_the_backend_that_predict_takes(monkeypatch):
    """A renderer that works by itself, where what `--backend auto` chooses does not."""
    _break(monkeypatch, "auto")
    (line,) = [line for line in lines(doctor._renders) if line.startswith("missing")]
    assert "--backend auto fails: clBuildProgram failed" in line


def test_caches_that_cannot_be_written(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "new"))
    (line,) = lines(doctor._folders)
    assert line.startswith("ok") and str(tmp_path / "new" / "torch_afm") in line
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert lines(doctor._folders)[0].startswith("warning")
    monkeypatch.setattr(doctor, "set_pocl_folder", lambda: None)
    assert "POCL_CACHE_DIR" in lines(doctor._folders)[1]
