from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from simple_trt.cli.doctor.graphics import Card, Graphics, judge_graphics, read_graphics
from simple_trt.engines.gpu import Gpu
from tests.cli.doctor.planted import by_name, planted

MODULE = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024"
OPEN_MODULE = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.82.07  Release Build"
SMI = "64, 22528, 24576, 250.00, 350.00, 3\n41, [N/A], [N/A], [Not Supported], [N/A], 97\n"
RTX = Gpu("NVIDIA GeForce RTX 3090", (8, 6), 24 << 30)
WORKING = Graphics([RTX], 1, "580.82.07", "13.0", False, [Card(60, 20000, 24576, 350, 350, 0)])
NOTHING = Graphics([], 0, "", None, False, [])


def pci(number: int, vendor: str, kind: str) -> dict[str, object]:
    folder = f"/sys/bus/pci/devices/0000:0{number}:00.0"
    return {f"{folder}/vendor": vendor, f"{folder}/class": kind}


@pytest.mark.parametrize(("module", "version"), [(MODULE, "535.183.01"), (OPEN_MODULE, "580.82.07"), ("", "")])
def test_kernel_module(tmp_path: Path, module: str, version: str) -> None:
    machine = planted(tmp_path, {"/proc/driver/nvidia/version": module})
    assert read_graphics(machine, [], None).kernel_module == version


def test_cards_and_the_bus_are_read(tmp_path: Path) -> None:
    files = pci(1, "0x10de", "0x030000") | pci(2, "0x10de", "0x040300") | pci(3, "0x8086", "0x030000")
    graphics = read_graphics(planted(tmp_path, files, {"nvidia-smi": SMI}), [RTX], "13.0")
    assert graphics.in_machine == 1  # its sound device and another maker's GPU do not count
    assert graphics.cards == [Card(64, 22528, 24576, 250, 350, 3), Card(41, None, None, None, None, 97)]
    assert not graphics.mismatch


def test_parts_of_a_driver_that_do_not_fit(tmp_path: Path) -> None:
    said = "Failed to initialize NVML: Driver/library version mismatch"
    graphics = read_graphics(planted(tmp_path, {}, {"nvidia-smi": said}), [], None)
    assert graphics.cards == []
    assert "reboot" in by_name(judge_graphics(graphics))["NVIDIA driver"].advice


def test_nothing_slows_a_gpu_that_works() -> None:
    findings = by_name(judge_graphics(WORKING))
    assert findings["NVIDIA driver"].found == "580.82.07, runs CUDA 13.0"
    assert findings["GPU"].found == "NVIDIA GeForce RTX 3090 (SM86, 24 GiB)"
    assert not any(finding.slows for finding in findings.values())


@pytest.mark.parametrize(
    ("graphics", "slows", "advice"),
    [
        (NOTHING, False, "only needed"),
        (replace(NOTHING, in_machine=1), True, "no driver"),
        (replace(NOTHING, in_machine=1, kernel_module="580.1"), True, "--gpus all"),
        (replace(NOTHING, kernel_module="580.1", mismatch=True), True, "reboot"),
    ],
)
def test_why_there_is_no_gpu(graphics: Graphics, slows: bool, advice: str) -> None:
    findings = by_name(judge_graphics(graphics))
    assert findings["NVIDIA driver"].slows == slows
    assert advice in findings["NVIDIA driver"].advice
    assert not findings["GPU"].found


def test_gpu_hidden_from_this_process() -> None:
    assert "CUDA_VISIBLE_DEVICES" in by_name(judge_graphics(replace(WORKING, devices=[])))["GPU"].advice


@pytest.mark.parametrize(
    ("card", "name", "advice"),
    [
        (Card(60, 300, 24576, 350, 350, 0), "GPU 0 memory", "close what uses it"),
        (Card(90, 20000, 24576, 350, 350, 0), "GPU 0 temperature", "fan"),
        (Card(60, 20000, 24576, 200, 350, 0), "GPU 0 power limit", "nvidia-smi -pl 350"),
        (Card(60, 20000, 24576, 350, 350, 97), "GPU 0 load", "another program"),
    ],
)
def test_what_slows_a_gpu(card: Card, name: str, advice: str) -> None:
    slow = [finding for finding in judge_graphics(replace(WORKING, cards=[card])) if finding.slows]
    assert [finding.name for finding in slow] == [name]
    assert advice in slow[0].advice


def test_jetson_whose_tool_tells_nothing() -> None:
    card = Card(None, None, None, None, None, None)
    assert set(by_name(judge_graphics(replace(WORKING, cards=[card])))) == {"NVIDIA driver", "GPU"}
