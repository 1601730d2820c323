from __future__ import annotations

from pathlib import Path

import pytest

from simple_trt.cli.doctor.power import Jetson, judge_clocks, judge_jetson, read_clocks, read_jetson
from tests.cli.doctor.planted import by_name, planted

CPUFREQ = "/sys/devices/system/cpu/cpu{}/cpufreq/{}"
NVPMODEL = "< POWER_MODEL ID=0 NAME=15W >\nCPU_ONLINE CORE_0 1\n< POWER_MODEL ID=2 NAME=MAXN_SUPER >\n"
RELEASE = "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64"
ORIN = {
    "/etc/nv_tegra_release": RELEASE,
    "/proc/device-tree/model": "NVIDIA Jetson Orin Nano Developer Kit\0",
    "/etc/nvpmodel.conf": NVPMODEL,
    "/var/lib/nvpmodel/status": "pmode:0000",
    "/sys/class/devfreq/17000000.gpu/min_freq": 306000000,
    "/sys/class/devfreq/17000000.gpu/max_freq": 624750000,
}


def clocks(tmp_path: Path, governor: str, driver: str = "acpi-cpufreq", preference: str = "", limit: int = 3_000_000):
    files: dict[str, object] = {
        CPUFREQ.format(0, "scaling_governor"): "performance",
        CPUFREQ.format(0, "scaling_max_freq"): 3_000_000,
        CPUFREQ.format(0, "cpuinfo_max_freq"): 3_000_000,
        CPUFREQ.format(1, "scaling_governor"): governor,
        CPUFREQ.format(1, "scaling_driver"): driver,
        CPUFREQ.format(1, "scaling_max_freq"): limit,
        CPUFREQ.format(1, "cpuinfo_max_freq"): 3_200_000,
    }
    if preference:
        files[CPUFREQ.format(1, "energy_performance_preference")] = preference
    return by_name(judge_clocks(read_clocks(planted(tmp_path, files))))


@pytest.mark.parametrize(
    ("governor", "driver", "preference", "slows"),
    [
        ("performance", "acpi-cpufreq", "", False),
        ("powersave", "acpi-cpufreq", "", True),
        ("powersave", "intel_pstate", "performance", False),  # there it means: as the load asks
        ("powersave", "amd-pstate-epp", "balance_power", True),
        ("schedutil", "acpi-cpufreq", "", False),
    ],
)
def test_governor(tmp_path: Path, governor: str, driver: str, preference: str, slows: bool) -> None:
    finding = clocks(tmp_path, governor, driver, preference, 3_200_000)["cpu governor"]
    assert finding.slows == slows
    assert finding.found.startswith(governor)
    assert ("performance" in finding.advice) == (slows or governor == "schedutil")


def test_the_slowest_set_processor_counts(tmp_path: Path) -> None:
    finding = clocks(tmp_path, "performance", limit=1_600_000)["cpu frequency limit"]
    assert (finding.found, finding.slows) == ("1.6 of 3.2 GHz", True)


def test_virtual_machine_shows_no_clocks(tmp_path: Path) -> None:
    (finding,) = judge_clocks(read_clocks(planted(tmp_path, {})))
    assert finding.found == "not shown"


@pytest.mark.parametrize(("temperature", "slows"), [(61500, False), (91000, True)])
def test_heat(tmp_path: Path, temperature: int, slows: bool) -> None:
    zone = "/sys/class/thermal/thermal_zone{}/{}"
    files = {zone.format(0, "type"): "acpitz", zone.format(0, "temp"): 20000}
    files |= {zone.format(1, "type"): "x86_pkg_temp", zone.format(1, "temp"): temperature}
    finding = by_name(judge_clocks(read_clocks(planted(tmp_path, files))))["temperature"]
    assert finding.slows == slows
    assert "x86_pkg_temp" in finding.found


def test_other_machines_are_no_jetson(tmp_path: Path) -> None:
    assert read_jetson(planted(tmp_path, {"/proc/device-tree/model": "Raspberry Pi 5"})) is None
    assert judge_jetson(None) == []


def test_jetson_is_read(tmp_path: Path) -> None:
    jetson = read_jetson(planted(tmp_path, ORIN))
    assert jetson == Jetson(
        "NVIDIA Jetson Orin Nano Developer Kit",
        "36.4.3",
        0,
        {0: "15W", 2: "MAXN_SUPER"},
        (306000000, 624750000),
    )


def test_jetson_that_saves_power(tmp_path: Path) -> None:
    findings = by_name(judge_jetson(read_jetson(planted(tmp_path, ORIN))))
    assert findings["power mode"].found == "15W (0)"
    assert "sudo nvpmodel -m 2 (MAXN_SUPER)" in findings["power mode"].advice
    assert findings["power mode"].slows and findings["jetson_clocks"].slows
    assert findings["jetson_clocks"].found == "GPU from 306 to 625 MHz"


def test_jetson_at_full_speed(tmp_path: Path) -> None:
    full = {"/var/lib/nvpmodel/status": "pmode:0002", "/sys/class/devfreq/17000000.gpu/min_freq": 624750000}
    assert not any(finding.slows for finding in judge_jetson(read_jetson(planted(tmp_path, ORIN | full))))


def test_power_mode_by_command(tmp_path: Path) -> None:
    files = {path: content for path, content in ORIN.items() if "status" not in path}
    said = "NV Power Mode: MAXN_SUPER\n2\n"
    jetson = read_jetson(planted(tmp_path, files, {"nvpmodel": said}))
    assert jetson is not None
    assert jetson.mode == 2


def test_jetson_in_a_container_that_shows_little(tmp_path: Path) -> None:
    files = {"/proc/device-tree/model": "NVIDIA Jetson AGX Orin"}
    findings = by_name(judge_jetson(read_jetson(planted(tmp_path, files))))
    assert findings["power mode"].found == findings["jetson_clocks"].found == "cannot be read"
