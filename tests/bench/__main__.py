"""The command line of the bench; tests/bench/run calls it."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys

from bench import compiler, report, stars


def main() -> None:
    words = arguments()
    load = os.getloadavg()[0]
    found = [stars.measure(nodes, words.runs, with_slow=nodes <= words.slow_up_to) for nodes in words.sizes]
    processes = {} if words.no_compiler else compiler.measure(words.runs)
    print(conditions(words.runs, load))
    if found:
        print("", *report.star_table(found), "", report.mininet_as_a_process(found), sep="\n")
    if processes:
        print("", *report.compiler_table(processes), sep="\n")
    print("", *report.figure_table(found, processes), sep="\n")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/bench/run", description="Measures nscompile and prints tables.")
    parser.add_argument("--runs", type=int, default=5, help="rounds of each measurement (5)")
    parser.add_argument(
        "--sizes", type=int, nargs="*", default=[10, 200, 1000], help="nodes of the stars (10 200 1000)"
    )
    parser.add_argument(
        "--slow-up-to",
        type=int,
        default=200,
        metavar="NODES",
        help="the largest star for the article's commands and netpen's, which take minutes for 1000 nodes (200)",
    )
    parser.add_argument("--no-compiler", action="store_true", help="measure the stars only")
    return parser.parse_args()


def conditions(runs: int, load: float) -> str:
    version = subprocess.run(["ip", "-V"], capture_output=True, text=True, check=True).stdout
    iproute = version.split()[2].rstrip(",")
    return (
        f"Linux {platform.release()}, {iproute}, Python {platform.python_version()}, {os.cpu_count()} processors; "
        f"load {load:.1f} before and {os.getloadavg()[0]:.1f} after. Medians of {runs} rounds (smallest to largest), "
        "ratios round by round."
    )


if __name__ == "__main__":
    if os.geteuid():
        sys.exit("tests/bench/run: this needs root: it builds networks")
    main()
