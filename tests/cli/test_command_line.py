"""The command line itself: verbs, exit codes, and what a person sees when something goes wrong."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from simple_trt import zoo
from simple_trt.errors import AccuracyError, SimpleTrtError, UsageError

ROOT = Path(__file__).resolve().parents[2]
VERBS = ("build", "run", "eval", "inspect", "doctor", "export", "models", "train")
Run = Callable[..., tuple[int, str, str]]
Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def failing_verb(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Makes `simple-trt models` raise."""

    def fail(error: BaseException) -> None:
        def names() -> list[str]:
            raise error

        monkeypatch.setattr(zoo, "names", names)

    return fail


def test_help_lists_every_verb(run_cli: Run) -> None:
    code, out, _ = run_cli("--help")
    assert code == 0
    assert all(f"    {verb} " in out for verb in VERBS)
    assert "exit codes" in out


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(run_cli: Run, verb: str) -> None:
    code, out, _ = run_cli(verb, "--help")
    assert (code, out.split()[:3]) == (0, ["usage:", "simple-trt", verb])


@pytest.mark.parametrize("words", [[], ["fly"], ["models", "--fly"], ["inspect"], ["build", "a.onnx"]])
def test_words_that_are_no_command(run_cli: Run, words: list[str]) -> None:
    code, out, err = run_cli(*words)
    assert (code, out) == (2, "")
    assert "usage: simple-trt" in err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SimpleTrtError("it broke", "mend it"), 1),
        (UsageError("it broke", "mend it"), 2),
        (AccuracyError("it broke", "mend it"), 3),
    ],
)
def test_errors_have_cause_cure_and_code(run_cli: Run, failing_verb: Any, error: SimpleTrtError, code: int) -> None:
    failing_verb(error)
    assert run_cli("models") == (code, "", "simple-trt: error: it broke\n  cure: mend it\n")


def test_cause_without_cure(run_cli: Run, failing_verb: Any) -> None:
    failing_verb(SimpleTrtError("it broke"))
    assert run_cli("models")[2] == "simple-trt: error: it broke\n"


def test_mistake_of_ours_is_short(run_cli: Run, failing_verb: Any) -> None:
    failing_verb(RuntimeError("deep\nbelow"))
    code, out, err = run_cli("models")
    assert (code, out) == (1, "")
    assert "simple-trt: error: RuntimeError: deep below" in err
    assert "--traceback" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("place", ["before", "after", "variable"])
def test_traceback_on_request(run_cli: Run, failing_verb: Any, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    failing_verb(RuntimeError("deep"))
    if place == "variable":
        monkeypatch.setenv("SIMPLE_TRT_TRACEBACK", "1")
    words = {"before": ["--traceback", "models"], "after": ["models", "--traceback"], "variable": ["models"]}[place]
    code, _, err = run_cli(*words)
    assert code == 1
    assert "Traceback (most recent call last)" in err


def test_interrupt(run_cli: Run, failing_verb: Any) -> None:
    failing_verb(KeyboardInterrupt())
    code, _, err = run_cli("models")
    assert code == 130
    assert "Traceback" not in err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_that_comes_again_when_the_command_has_ended(number: int, code: int) -> None:
    """Sent twice, and the second time only as the interpreter clears up, it leaves the exit code alone."""
    script = (
        "import atexit, signal, sys; from simple_trt.cli import main, doctor\n"
        f"atexit.register(signal.raise_signal, {number:d})\n"
        f"doctor.examine = lambda engine: signal.raise_signal({number:d})"
    )
    words = [sys.executable, "-c", f"{script}\nsys.exit(main(['doctor']))"]
    found = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert found.returncode == code
    assert "Traceback" not in found.stderr


def test_reader_that_goes_away() -> None:
    script = (
        "import sys; from simple_trt.cli import main, doctor\n"
        "doctor.examine = lambda engine: [doctor.Finding('x' * 9999, 'y')] * 99"
    )
    words = [sys.executable, "-c", f"{script}\nsys.exit(main(['doctor']))"]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.read(10)
        child.stdout.close()
        assert child.wait(timeout=60) == 141
        assert child.stderr.read() == ""


def test_module_and_command_are_the_same(command: Command, run_cli: Run) -> None:
    found = command("models", check=False)
    assert (found.returncode, found.stdout) == run_cli("models")[:2]
    assert command("inspect", "nowhere", check=False).returncode == 1


def test_light_verbs_import_no_framework() -> None:
    script = (
        "import sys; from simple_trt.cli import main; main(['models']);"
        "print(sorted({'torch', 'openvino', 'onnxruntime', 'onnx', 'cv2'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "[]"


def test_version(run_cli: Run) -> None:
    code, out, _ = run_cli("--version")
    assert code == 0
    assert out.startswith("simple-trt ")


class TestInspect:
    def test_graph(self, run_cli: Run, model: Path) -> None:
        facts = json.loads(run_cli("inspect", model, "--json")[1])
        assert facts["kind"] == "ONNX graph"
        assert facts["inputs"] == {"image": "float32 [1,3,64,64]"}
        assert facts["layers"]["Conv"] == {"fp32": 3}
        assert facts["parameters"] == 1968
        assert "Conv 3 (fp32)" in run_cli("inspect", model)[1]

    def test_engine(self, run_cli: Run, model: Path, tmp_path: Path) -> None:
        out = tmp_path / "tiny.engine"
        run_cli("build", model, "-o", out)
        code, text, _ = run_cli("inspect", out)
        assert code == 0
        assert "hashes" in text
        assert "rebuild" in text
        facts = json.loads(run_cli("inspect", out, "--json")[1])
        assert facts["hashes"] == "fit"
        assert facts["build_command"].startswith("simple-trt build")

    def test_changed_engine(self, run_cli: Run, model: Path, tmp_path: Path) -> None:
        out = tmp_path / "tiny.engine"
        run_cli("build", model, "-o", out)
        data = bytearray(out.read_bytes())
        data[100] ^= 1
        out.write_bytes(data)
        code, text, err = run_cli("inspect", out)
        assert (code, text) == (1, "")
        assert "plan.sha256" in err

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("nowhere", None),
            ("text.txt", b"text"),
            ("bad.onnx", b"text"),
            ("bad.safetensors", b""),
            ("bad.safetensors", b"\xff" * 20),
            ("bad.safetensors", b"\x02\x00\x00\x00\x00\x00\x00\x00{}"),
            ("bad.safetensors", b"\x02\x00\x00\x00\x00\x00\x00\x00[]"),
            ("bad.safetensors", b"\x09\x00\x00\x00\x00\x00\x00\x00not json!"),
        ],
    )
    def test_nothing_of_ours(self, run_cli: Run, tmp_path: Path, name: str, content: bytes | None) -> None:
        if content is not None:
            (tmp_path / name).write_bytes(content)
        code, out, err = run_cli("inspect", tmp_path / name)
        assert (code, out) == (1, "")
        assert name in err
        assert "Traceback" not in err

    def test_checkpoint_needs_no_torch(self, run_cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        numpy_format = pytest.importorskip("safetensors.numpy")
        import numpy as np

        metadata = {"format": 1, "preset": "edge", "skeleton": "coco", "size": [512, 512]}
        tensors = {"prior": np.zeros((17, 2), np.float32), "simple.a": np.zeros((2, 3), np.float32)}
        numpy_format.save_file(tensors, tmp_path / "a.safetensors", {"simple_trt": json.dumps(metadata)})
        monkeypatch.setitem(sys.modules, "torch", None)
        facts = json.loads(run_cli("inspect", tmp_path / "a.safetensors", "--json")[1])
        assert (facts["kind"], facts["preset"], facts["parameters"], facts["tensors"]) == ("checkpoint", "edge", 40, 2)


class TestDoctor:
    def test_every_line_ends_in_what_to_do(self, run_cli: Run) -> None:
        _, out, _ = run_cli("doctor", "--json")
        findings = {finding["name"]: finding for finding in json.loads(out)}
        assert all(finding["advice"] for finding in findings.values())
        assert all(finding["advice"] != "nothing to do" for finding in findings.values() if not finding["found"])
        assert {"python", "cpu instructions", "openvino", "NVIDIA driver", "nvcc", "target cpu"} <= set(findings)

    def test_table(self, run_cli: Run) -> None:
        code, out, _ = run_cli("doctor")
        assert code == 0
        assert "nothing to do" in out

    def test_missing_core_is_an_error(self, run_cli: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr("simple_trt.cli.doctor.PACKAGE", tmp_path)
        code, out, _ = run_cli("doctor")
        assert code == 1
        assert "make build" in out

    def test_machine_without_anything(self, run_cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("openvino", "onnxruntime", "onnx", "torch", "tensorrt_rtx", "tensorrt", "cupy", "cuda", "pycuda"):
            monkeypatch.setitem(sys.modules, name, None)
        monkeypatch.setattr("simple_trt.cli.doctor.machine.shutil.which", lambda *a, **k: None)
        code, out, _ = run_cli("doctor", "--json")
        found = {finding["name"]: finding["found"] for finding in json.loads(out)}
        assert code == 1
        assert not any(found[name] for name in ("openvino", "torch", "nvcc", "CUDA from Python", "target cpu"))


@pytest.fixture
def bundled(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A zoo with one model, `tiny`."""
    from simple_trt.files import sha256_of

    folder = tmp_path / "zoo" / "tiny"
    folder.mkdir(parents=True)
    shutil.copy(model, folder / "model.onnx")
    (folder / "model.safetensors").write_bytes(b"weights")
    hashes = {name: sha256_of(folder / name) for name in ("model.onnx", "model.safetensors")}
    card = {"preset": "edge", "size": [64, 64], "licence": "Apache-2.0", "metrics": {"AP": 0.1234}, "sha256": hashes}
    (folder / "card.json").write_text(json.dumps(card))
    monkeypatch.setattr(zoo, "FOLDER", folder.parent)
    return folder


class TestZoo:
    def test_models(self, run_cli: Run, bundled: Path) -> None:
        assert run_cli("models")[1].splitlines()[1].split() == ["tiny", "edge", "64x64", "0.123", "Apache-2.0"]
        (entry,) = json.loads(run_cli("models", "--json")[1])
        assert (entry["name"], entry["metrics"]["AP"]) == ("tiny", 0.1234)

    def test_name_stands_for_the_model_everywhere(
        self, run_cli: Run, bundled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("simple_trt.export.verify.has_torch", lambda: False)
        assert json.loads(run_cli("inspect", "tiny", "--json")[1])["kind"] == "bundled model"
        code, _, err = run_cli("build", "tiny", "-o", tmp_path / "tiny.engine")
        assert code == 0, err
        assert "bundled graph" in err
        assert run_cli("export", "tiny", "-o", tmp_path / "copy.onnx")[0] == 0
        assert (tmp_path / "copy.onnx").read_bytes() == (bundled / "model.onnx").read_bytes()

    @pytest.mark.parametrize("file", ["model.onnx", "model.safetensors"])
    def test_damaged_file(self, run_cli: Run, bundled: Path, tmp_path: Path, file: str) -> None:
        (bundled / file).write_bytes(b"damaged")
        code, _, err = run_cli("build", "tiny", "-o", tmp_path / "tiny.engine")
        assert code == 1
        assert "sha256" in err
        assert "install simple-trt again" in err

    @pytest.mark.parametrize("file", ["model.onnx", "model.safetensors"])
    def test_missing_file(self, run_cli: Run, bundled: Path, file: str) -> None:
        (bundled / file).unlink()
        code, _, err = run_cli("inspect", "tiny")
        assert code == 1
        assert file in err

    @pytest.mark.parametrize("card", ["{", "[]", '{"sha256": {}}', '{"sha256": 3}'])
    def test_damaged_card(self, run_cli: Run, bundled: Path, card: str) -> None:
        (bundled / "card.json").write_text(card)
        code, _, err = run_cli("inspect", "tiny")
        assert code == 1
        assert "card" in err
        assert "Traceback" not in err

    def test_unknown_name(self) -> None:
        with pytest.raises(UsageError, match="no bundled model 'huge'"):
            zoo.find("huge")


class TestExport:
    def test_graph_as_it_is(self, run_cli: Run, model: Path, tmp_path: Path) -> None:
        out = tmp_path / "copy.onnx"
        assert run_cli("export", model, "-o", out)[:2] == (0, f"{out}\n")
        assert out.read_bytes() == model.read_bytes()
        assert not list(tmp_path.glob(".*"))

    @pytest.mark.parametrize(
        ("precision", "kinds"),
        [("fp16", {"fp16": 3}), ("bf16", {"bf16": 3}), ("int8", {"fp32": 2, "int8": 1})],
    )
    def test_precision_is_in_the_graph(
        self, run_cli: Run, model: Path, tmp_path: Path, photos: Path, precision: str, kinds: dict[str, int]
    ) -> None:
        out = tmp_path / "other.onnx"
        code, _, err = run_cli("export", model, "--precision", precision, "--calib", photos, "-o", out)
        assert code == 0, err
        facts = json.loads(run_cli("inspect", out, "--json")[1])
        assert facts["precision"] == precision
        assert facts["layers"]["Conv"] == kinds

    def test_name_must_say_what_it_is(self, run_cli: Run, model: Path, tmp_path: Path) -> None:
        code, _, err = run_cli("export", model, "-o", tmp_path / "copy.engine")
        assert code == 2
        assert "does not end in .onnx" in err

    def test_existing_file_is_kept(self, run_cli: Run, model: Path, tmp_path: Path) -> None:
        (tmp_path / "copy.onnx").write_text("precious")
        assert run_cli("export", model, "-o", tmp_path / "copy.onnx")[0] == 2
        assert (tmp_path / "copy.onnx").read_text() == "precious"
        assert run_cli("export", model, "-o", tmp_path / "copy.onnx", "--force")[0] == 0

    def test_unwritable(self, run_cli: Run, model: Path) -> None:
        code, _, err = run_cli("export", model, "-o", model / "copy.onnx")
        assert code == 1
        assert "is a file, not a folder" in err


def test_training_data_that_is_called_partial_must_be_training_data(run_cli: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, _, err = run_cli("train", "--data", "a.json", "--images", "a", "--partial", "b.json", "--out", out)
    assert code == 2 and "--partial b.json is no --data" in err
    assert not out.exists()
