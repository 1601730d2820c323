import json
import os
import sys
import time
import zipfile
from pathlib import Path

import pytest

from benchmarks import gpu
from benchmarks.gpu import run_part
from benchmarks.gpu_machine import WHEELS_VARIABLE
from benchmarks.gpu_parts import DATA, Part, gpu_test_files
from simple_trt.engines.gpu import Gpu
from simple_trt.errors import UsageError

GPU = Gpu("a GPU", (8, 7), 8 << 30)


def part(code, **changes):
    return Part(**({"name": "x", "proves": "y", "words": ("python", "-c", code), "limit": 30} | changes))


@pytest.fixture
def on_a_gpu(monkeypatch):
    monkeypatch.setattr(gpu, "need_gpu", lambda *_: GPU)
    monkeypatch.setattr(gpu, "conditions", lambda **_: {"machine": "a test"})


def test_without_a_gpu_it_says_so_and_leaves_with_1(tmp_path, monkeypatch):
    monkeypatch.setattr("simple_trt.engines.gpu.find_gpus", list)
    monkeypatch.setattr(sys, "argv", ["gpu", "--out", str(tmp_path / "gpu.json")])
    with pytest.raises(SystemExit) as end:
        gpu.run_main(gpu.main)
    assert end.value.code == 1
    assert not (tmp_path / "gpu.json").exists()


def test_a_part_that_works_gives_its_numbers_and_sees_its_variables():
    code = "import json, os, sys; json.dump({'archs': os.environ['ARCHS']}, open(sys.argv[1], 'w'))"
    found = run_part(part(code, words=("python", "-c", code, DATA), environment={"ARCHS": "{sm}"}), GPU, 30)
    assert (found["status"], found["data"]) == ("ok", {"archs": "87"})
    assert found["seconds"] >= 0


def test_a_part_that_fails_keeps_its_last_words_and_its_numbers():
    code = "import sys; open(sys.argv[1], 'w').write('[1]'); sys.exit('all is lost')"
    found = run_part(part(code, words=("python", "-c", code, DATA)), GPU, 30)
    assert (found["status"], found["reason"], found["data"]) == ("failed", "exit code 1", [1])
    assert "all is lost" in found["output"]


def test_a_part_that_hangs_is_ended_in_time():
    start = time.monotonic()
    found = run_part(part("import time; time.sleep(60)", limit=1), GPU, 30)
    assert time.monotonic() - start < 20
    assert (found["status"], found["reason"]) == ("failed", "it was ended after 1 seconds")


@pytest.mark.parametrize(
    ("changes", "seconds", "reason"),
    [({"needs": "no_such_thing"}, 30, "no no_such_thing here"), ({}, 5, "no time was left")],
)
def test_a_part_that_cannot_be_is_left_out(changes, seconds, reason):
    assert run_part(part("raise SystemExit(1)", **changes), GPU, seconds) == {"status": "skipped", "reason": reason}


def test_pytests_report_is_summed_up():
    xml = (
        '<testsuites><testsuite tests="3" failures="1" errors="0" skipped="1">'
        '<testcase classname="tests.a" name="good"/><testcase classname="tests.a" name="bad"><failure/></testcase>'
        "</testsuite></testsuites>"
    )
    code = f"import sys; open(sys.argv[1], 'w').write({xml!r})"
    found = run_part(part(code, words=("python", "-c", code, DATA)), GPU, 30)
    assert found["data"] == {"tests": 3, "failures": 1, "errors": 0, "skipped": 1, "failed": ["tests.a::bad"]}


def test_every_part_stands_in_the_report_and_one_failure_makes_the_code_1(tmp_path, monkeypatch, on_a_gpu):
    bad, good = part("raise SystemExit(3)", name="bad"), part("pass", name="good")
    monkeypatch.setattr(gpu, "PARTS", (bad, good))
    out = tmp_path / "gpu.json"
    assert gpu.main(["--out", str(out)]) == 1
    report = json.loads(out.read_text())
    assert {name: found["status"] for name, found in report["parts"].items()} == {"bad": "failed", "good": "ok"}
    assert report["conditions"]["gpu"]["sm"] == "SM87"
    assert gpu.main(["--out", str(out), "--only", "good"]) == 0


def test_what_goes_wrong_around_a_part_does_not_lose_the_others(tmp_path, monkeypatch, on_a_gpu):
    def broken():
        raise OSError("no space left")

    monkeypatch.setattr(gpu, "PARTS", (part("pass", name="bad"), part("pass", name="good")))
    monkeypatch.setattr(gpu, "watched_clocks", broken)
    out = tmp_path / "gpu.json"
    assert gpu.main(["--out", str(out)]) == 1
    assert json.loads(out.read_text())["parts"]["good"]["reason"] == "OSError: no space left"


def test_a_part_that_hangs_leaves_time_for_those_after_it(tmp_path, monkeypatch, on_a_gpu):
    hangs = part("import time; time.sleep(60)", name="hangs", limit=60)
    monkeypatch.setattr(gpu, "PARTS", (hangs, part("pass", name="good")))
    monkeypatch.setattr(gpu, "RESERVE", 11)
    out = tmp_path / "gpu.json"
    assert gpu.main(["--out", str(out), "--limit", "22"]) == 1
    parts = json.loads(out.read_text())["parts"]
    assert [parts[name]["status"] for name in ("hangs", "good")] == ["failed", "ok"]


def test_a_part_that_is_not_there(tmp_path, on_a_gpu):
    with pytest.raises(UsageError, match="no part 'speed'") as caught:
        gpu.main(["--out", str(tmp_path / "gpu.json"), "--only", "kernels,speed"])
    assert "session" in caught.value.cure


def wheel(folder, name):
    """A wheel of one module that says where it is."""
    path = folder / f"{name}-1.0-py3-none-any.whl"
    about = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": "HERE = __file__\n",
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nRequires-Dist: not_carried\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{about}/RECORD": "",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)


def test_carried_wheels_are_there_for_the_parts_and_gone_afterwards(tmp_path, monkeypatch, on_a_gpu):
    wheel(tmp_path, "carried_module")
    monkeypatch.setenv(WHEELS_VARIABLE, str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.environ.get("PYTHONPATH", ""))  # put back afterwards
    monkeypatch.setattr(sys, "path", list(sys.path))
    code = "import carried_module, json, sys; json.dump(carried_module.HERE, open(sys.argv[1], 'w'))"
    monkeypatch.setattr(gpu, "PARTS", (part(code, words=("python", "-c", code, DATA), needs="carried_module"),))
    out = tmp_path / "gpu.json"
    assert gpu.main(["--out", str(out)]) == 0
    parts = json.loads(out.read_text())["parts"]
    assert parts["wheels"]["data"] == ["carried_module-1.0-py3-none-any.whl"]
    assert parts["x"]["data"].endswith("carried_module.py")
    assert not Path(parts["x"]["data"]).exists()


def test_wheels_that_cannot_be_installed_are_said_and_the_parts_go_on(tmp_path, monkeypatch, on_a_gpu):
    (tmp_path / "broken-1.0-py3-none-any.whl").write_text("no wheel")
    monkeypatch.setenv(WHEELS_VARIABLE, str(tmp_path))
    monkeypatch.setattr(gpu, "PARTS", (part("pass", name="good"),))
    out = tmp_path / "gpu.json"
    assert gpu.main(["--out", str(out)]) == 1
    parts = json.loads(out.read_text())["parts"]
    assert [parts[name]["status"] for name in ("wheels", "good")] == ["failed", "ok"]
    assert "broken" in parts["wheels"]["output"]


def test_no_wheels_where_they_are_said_to_be(tmp_path, monkeypatch, on_a_gpu):
    monkeypatch.setenv(WHEELS_VARIABLE, str(tmp_path))
    with pytest.raises(UsageError, match="no wheels in"):
        gpu.main(["--out", str(tmp_path / "gpu.json")])


def program(folder, name, text):
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_clocks_and_versions_are_those_that_the_tools_tell(tmp_path, monkeypatch, on_a_gpu):
    rows = "echo '345, 2619, 71.5, 35'; echo '1980, 2619, [N/A], 40'; printf '19'"
    program(tmp_path, "nvidia-smi", f"case $1 in --id=0) {rows}; sleep 60;; *) echo 580.159.04;; esac")
    program(tmp_path, "nvcc", "echo 'nvcc: NVIDIA (R) Cuda compiler driver'; echo 'Build cuda_13.0'")
    program(tmp_path, "compute-sanitizer", "exit 3")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(gpu, "PARTS", (part("import time; time.sleep(1)"),))
    out = tmp_path / "gpu.json"
    assert gpu.main(["--out", str(out)]) == 0
    report = json.loads(out.read_text())
    assert report["parts"]["x"]["clocks"] == {
        "samples": 2,
        "sm_mhz": {"least": 345.0, "median": 1162.5, "most": 1980.0},
        "memory_mhz": {"least": 2619.0, "median": 2619.0, "most": 2619.0},
        "watts": {"least": 71.5, "median": 71.5, "most": 71.5},
        "celsius": {"least": 35.0, "median": 37.5, "most": 40.0},
    }
    assert report["conditions"]["tools"] == {"nvcc": "Build cuda_13.0", "driver": "580.159.04"}


def test_only_files_with_gpu_tests_are_run():
    files = gpu_test_files()
    assert "tests/kernels/test_letterbox.py" in files
    assert "tests/data/test_coco.py" not in files


def test_the_parts_fit_into_ten_minutes_and_name_modules_that_exist():
    from importlib.util import find_spec

    assert gpu.LIMIT < 600
    assert gpu.RESERVE * len(gpu.PARTS) < gpu.LIMIT / 2
    modules = [part.words[part.words.index("-m") + 1] for part in gpu.PARTS if "-m" in part.words]
    assert all(find_spec(module) for module in modules)
