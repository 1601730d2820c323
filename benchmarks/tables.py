"""Result files as Markdown. Every number in the documentation is written from here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = [
    "accuracy_tables",
    "conditions_line",
    "interval",
    "kernel_tables",
    "latency_tables",
    "ms_cells",
    "parts_tables",
    "precision_tables",
    "stage_tables",
    "table",
]

Result = Mapping[str, Any]

NOT_BUILT = ["not built", *["-"] * 6]


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table: the first column to the left, numbers to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


def conditions_line(result: Result) -> str:
    """When, where and with what a result was measured, or made where it says how."""
    c = result["conditions"]
    threads = "" if c["threads"] is None else f"{c['threads']} threads, "
    changed = " with local changes" if c["commit"]["changed"] else ""
    cpu = c["cpu"]
    machine = f"{cpu['model']} ({cpu['family']}), {cpu['cores']} cores, {cpu['memory_gib']} GiB"
    versions = ", ".join(f"{name} {number}" for name, number in c["versions"].items())
    parts = [
        f"{c['date'][:16].replace('T', ' ')} UTC, commit {c['commit']['hash'][:10]}{changed}",
        f"{machine} ({', '.join(cpu['features'])})",
        f"{threads}seed {c['seed']}, Python {c['python']}, {versions}",
    ]
    if "load_before" in c:
        parts.append(
            f"load {c['load_before']} before, {c['load_after']} after, {c['stolen_share']:.2%} of the time stolen"
        )
    return f"*{result.get('made', 'Measured')} {'; '.join(parts)}. Command: `{c['command']}`.*"


def latency_tables(result: Result) -> str:
    """For each model: contenders, network against decode, targets."""
    return "\n\n".join(part for model in result["models"] for part in _latency_of(model))


def _latency_of(model: Result) -> list[str]:
    weights = "random weights" if model["weights"] == "random" else "trained weights"
    rows = [
        [
            r["name"],
            *ms_cells(r["ms"]),
            interval(r["torch_over_this"], 2),
            f"{r['load_seconds']:.1f}",
            f"{r['peak_mb']:.0f}",
        ]
        for r in model["rows"]
    ]
    splits = [
        [
            s["precision"],
            f"{s['network_ms']['median']:.2f}",
            f"{s['decode_ms']['median']:.2f}",
            interval(s["decode_without_grouping_ms"], 2),
            f"{s['grouping_ms']['median']:.2f}",
            interval(s["decode_over_network"], 4),
            interval(s["whole_less_network_ms"], 2),
        ]
        for s in model["splits"]
    ]
    head = ["contender", "median ms", "quartiles ms", "torch eager / this", "load s", "peak MB"]
    split_head = ["precision", "network ms", "decode ms", "decode without grouping", "grouping ms"]
    split_head += ["decode / network", "whole less network ms"]
    return [
        f"#### {model['name']} ({weights})",
        table(head, rows),
        table(split_head, splits),
        _targets(model["targets"]),
    ]


def kernel_tables(result: Result) -> str:
    """Kernel, twin and torch's operators, case by case; where torch's own are faster, that is said."""
    rows = []
    for r in result["rows"]:
        native = r.get("native")
        rows.append(
            [
                r["case"],
                f"{r['kernel']['ms']['median']:.3f}",
                f"{r['twin']['ms']['median']:.3f}",
                interval(r["twin"]["over_kernel"], 1),
                f"{native['ms']['median']:.3f}" if native else "-",
                _with_loss(native["over_kernel"]) if native else "-",
                f"{r['largest_difference']:.1e}" if r["largest_difference"] else "equal",
            ]
        )
    head = ["case", "kernel ms", "twin ms", "twin / kernel", "torch's operators ms", "these / kernel", "kernel to twin"]
    return table(head, rows)


def stage_tables(result: Result) -> str:
    """Stages of `simple-trt run`, and the command from the outside."""
    rows = [[r["stage"], *ms_cells(r["ms"])] for r in result["stages"]]
    rows.append(["sum", f"{sum(r['ms']['median'] for r in result['stages']):.2f}", ""])
    c = result["command"]
    s = result["settings"]
    return "\n\n".join(
        [
            f"{result['model']['name']}, {s['precision']}, {s['photos']} photos:",
            table(["stage", "median ms", "quartiles ms"], rows),
            f"The command from outside, with `--json` and `--save`: {interval(c['start_ms'], 0)} ms to start, "
            f"then {interval(c['a_photo_ms'], 1)} ms a photo.",
        ]
    )


def accuracy_tables(result: Result) -> str:
    """AP of each contender, and what it loses against PyTorch."""
    rows = [
        [
            r["name"],
            *(_share(r[key]) for key in ("AP", "AP50", "AP75", "APM", "APL", "AR")),
            f"{r['standard_error']:.4f}",
            f"{r['drop']:+.4f} ± {r['drop_standard_error']:.4f}",
            f"{r['ms']:.1f}" if "ms" in r else "-",
        ]
        for r in result["rows"]
    ]
    head = ["", "AP", "AP50", "AP75", "APM", "APL", "AR", "standard error of AP", "AP lost against torch", "ms a photo"]
    photos = result["settings"]["photos"]
    return f"{result['model']['name']}, first {photos} photos of the 300-image split:\n\n{table(head, rows)}"


def parts_tables(result: Result) -> str:
    """AP with one part of the decode changed at a time, and the difference from the first row."""
    keys = ("AP", "AP50", "AP75", "APM", "APL", "AR")
    base = result["rows"][0]["AP"]
    rows = [[r["name"], *(_share(r[key]) for key in keys), f"{r['AP'] - base:+.3f}"] for r in result["rows"]]
    what = f"{result['model']['name']}, first {result['settings']['photos']} photos of the 300-image split"
    return f"{what}:\n\n{table(['', *keys, 'AP against the first'], rows)}"


def precision_tables(result: Result) -> str:
    """AP, what is lost, and time of each precision."""
    head = ["", "int8 blocks", "photos", "AP", "AP lost against the model", "median ms", "quartiles ms", "MB"]
    rows = [[r["name"], *(NOT_BUILT if "failed" in r else _precision_row(r))] for r in result["rows"]]
    s = result["settings"]
    what = f"{result['model']['name']}, first {s['photos']} photos of the 300-image split, limit {s['max_ap_drop']:g}"
    return f"{what}:\n\n{table(head, rows)}"


def _precision_row(row: Result) -> list[str]:
    ap, blocks = row["ap"], f"{row['int8_blocks']} of {row['blocks']}" if row["blocks"] else "-"
    times = ms_cells(row["ms"]) if "ms" in row else ("-", row["subject"])
    lost = f"{ap['drop']:+.4f} ± {ap['standard_error']:.4f}"
    return [blocks, ap["images"], f"{ap['engine']:.4f}", lost, *times, f"{row['bytes'] / 1e6:.1f}"]


def _targets(targets: Sequence[Result]) -> str:
    rows = [[t["what"], t["wanted"], interval(t["measured"], 4), "met" if t["met"] else "**missed**"] for t in targets]
    return table(["target", "wanted", "measured", ""], rows)


def ms_cells(ms: Mapping[str, float]) -> tuple[str, str]:
    """Median and quartiles."""
    return f"{ms['median']:.2f}", f"{ms['q1']:.2f} to {ms['q3']:.2f}"


def interval(value: Mapping[str, float], digits: int) -> str:
    """A value, with its interval where it has one."""
    text = f"{value['value']:.{digits}f}"
    return f"{text} ({value['low']:.{digits}f} to {value['high']:.{digits}f})" if "low" in value else text


def _with_loss(value: Mapping[str, float]) -> str:
    return interval(value, 1) + (" **torch is faster**" if value["value"] < 1 else "")


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
