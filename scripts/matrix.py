"""Prints scenario × language × mode from the runners' reports, and fails on an empty or failed cell.

A runner writes target/scenario-matrix/<language>.json, or <language>-<which>.json where it has several:
{"columns": [...], "results": {scenario: {column: "ok" | "failed: …" | "not: why it cannot be run so"}}}. A column is
"<mode> <how>", and a scenario's `modes` say which modes it has: a cell of another mode is shown as "·", as is a "not".

Then vendor × dialect, from the scenarios that `mixed_scenarios.py` writes: the vendor fails over to that dialect. A
scenario holds all dialects of its vendor, so that its cells are ok when the whole of it is, in every column.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import tomllib
from mixed_scenarios import DIALECTS, TABLE

ROOT = Path(__file__).resolve().parent.parent
SCENARIOS = ROOT / "tests" / "scenarios"
REPORTS = ROOT / "target" / "scenario-matrix"
RUNNERS = ("rust", "python", "node-sync", "node-async")


def main() -> int:
    scenarios = {path.stem: json.loads(path.read_text()) for path in sorted(SCENARIOS.glob("*.json"))}
    problems: list[str] = []
    header: list[str] = []
    rows: dict[str, list[str]] = {name: [] for name in scenarios}
    left_out: list[str] = []
    for runner in RUNNERS:
        path = REPORTS / f"{runner}.json"
        if not path.exists():
            problems.append(f"{runner}: its scenario runner left no report")
            continue
        language = runner.partition("-")[0]
        report = json.loads(path.read_text())
        for column in report["columns"]:
            header.append(f"{language} {column}")
            mode = column.split()[0]
            for name, scenario in scenarios.items():
                result = report["results"].get(name, {}).get(column)
                if mode not in scenario["modes"]:
                    rows[name].append("·")
                elif result is not None and result.startswith("not: "):
                    rows[name].append("·")
                    left_out.append(f"{name}: {language} {column} is {result}")
                elif result is None:
                    rows[name].append("EMPTY")
                    problems.append(f"{name}: no result for {language} {column}")
                else:
                    rows[name].append("ok" if result == "ok" else "FAIL")
                    if result != "ok":
                        problems.append(f"{name}: {language} {column}: {result}")
    width = max(map(len, scenarios), default=0)
    for line in zip(*(column.split() for column in header), strict=True):
        print(" " * width, *(f"{word:>8}" for word in line))
    for name, cells in rows.items():
        print(f"{name:<{width}}", *(f"{cell:>8}" for cell in cells))
    ok = sum(cell == "ok" for cells in rows.values() for cell in cells)
    print(f"\n{len(scenarios)} scenarios, {ok} cells ok")
    print(*left_out, sep="\n", end="\n\n")
    print_failovers(scenarios, rows, problems)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def print_failovers(scenarios: dict[str, Any], rows: dict[str, list[str]], problems: list[str]) -> None:
    """Vendor × dialect. What a vendor does not take, and so is passed over for, stands at the end of its line."""
    vendors = tomllib.loads(TABLE.read_text())["provider"]
    width = max(len(vendor["name"]) for vendor in vendors)
    print("a tool, a schema, both, each with an image and instructions, from the vendor to:")
    print(" " * width, *(f"{dialect:>18}" for dialect in DIALECTS))
    filled = 0
    for vendor in vendors:
        name = f"mixed-{vendor['name']}"
        calls = scenarios.get(name, {"calls": []})["calls"]
        asked = {call["request"]["route"]: call["expect"]["attempts"][0]["code"] for call in calls}
        cells: list[str] = []
        for dialect in DIALECTS:
            if dialect == vendor["dialect"]:
                cells.append("its own")
            elif not {f"to-tools-{dialect}", f"to-schema-{dialect}"} <= set(asked):
                cells.append("EMPTY")
                problems.append(f"{vendor['name']}: no scenario fails over to {dialect}")
            else:
                cells.append("ok" if set(rows[name]) - {"·"} == {"ok"} else "FAIL")
        filled += cells.count("ok")
        over = sorted({route.split("-")[1] for route, code in asked.items() if code == "unsupported"})
        note = f"   passed over for: {', '.join(over)}" if over else ""
        print(f"{vendor['name']:<{width}}", *(f"{cell:>18}" for cell in cells), note)
    print(f"\n{len(vendors)} vendors, {filled} cells ok")


if __name__ == "__main__":
    sys.exit(main())
