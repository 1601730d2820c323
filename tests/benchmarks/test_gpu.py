import json
import sys
import time

import pytest

from benchmarks import gpu
from benchmarks.gpu import DATA, Part, run_part
from simple_trt.engines.gpu import Gpu

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


def test_the_parts_fit_into_ten_minutes_and_name_modules_that_exist():
    from importlib.util import find_spec

    assert gpu.LIMIT < 600
    modules = [part.words[part.words.index("-m") + 1] for part in gpu.PARTS if "-m" in part.words]
    assert all(find_spec(module) for module in modules)
