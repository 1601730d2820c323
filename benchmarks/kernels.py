"""Every CPU kernel beside its plain-PyTorch twin and torch's own operators, at the shapes of the presets at 512 x 512.

Equality first: a case whose kernel differs from its twin by more than its contract allows stops the benchmark. Each
implementation runs in a process of its own; the kernel is called through the torch op.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch

from benchmarks import contenders
from benchmarks.children import opened
from benchmarks.conditions import Load, conditions
from benchmarks.op_cases import CASES, OpCase, largest_difference
from benchmarks.options import parser, plan_of, run_main, say
from benchmarks.results import write_result
from benchmarks.rounds import Plan, interleave
from benchmarks.statistics import ratio, summary
from simple_trt import ops
from simple_trt.errors import SimpleTrtError

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and write the result; 0 when every kernel equals its twin."""
    p = parser("kernels", __doc__ or "", rounds=10, iterations=20, warmup=5)
    p.add_argument("--cases", default="", help="measure only the cases whose name contains this text")
    args = p.parse_args(argv)
    if ops.backend() != "compiled":
        raise SimpleTrtError(f"torch's ops are served by '{ops.backend()}', not by the kernels", "run: make build")
    load, about = Load(), conditions(args.seed, args.threads)
    cases = [case for name, case in CASES.items() if args.cases in name]
    rows = [_measure(case, plan_of(args), args.threads) for case in cases]
    write_result(
        args.out,
        "kernels",
        about | load.to_json(),
        settings=asdict(plan_of(args)),
        rows=rows,
    )
    return 0


def _measure(case: OpCase, plan: Plan, threads: int) -> dict[str, Any]:
    """One case: equality, then times."""
    arguments = case.arguments(plan.seed, torch.float32)
    with torch.inference_mode():
        worst = largest_difference(
            case, case.implementation("kernel")(*arguments), case.implementation("twin")(*arguments)
        )
    names = ["kernel", "twin"] + (["native"] if case.native else [])
    spec = contenders.spec(contenders.op, case=case.name, seed=plan.seed, threads=threads)
    with opened(dict.fromkeys(names, spec), threads) as children:
        times = interleave({name: children[name].turn(name) for name in names}, plan)
    medians = ", ".join(f"{name} {summary(times[name]).median:.3f} ms" for name in names)
    say(f"{case.name}: equal; {medians}")
    return {
        "case": case.name,
        "shapes": [list(a.shape) for a in arguments if isinstance(a, torch.Tensor)],
        "largest_difference": worst,
        "tolerance": max(case.tolerances),
    } | {
        name: {
            "ms": summary(times[name]).to_json(),
            "over_kernel": ratio(times[name], times["kernel"], plan.seed).to_json(),
        }
        for name in names
    }


if __name__ == "__main__":
    run_main(main)
