"""Prints scenario × language × mode from the runners' reports, and fails on an empty or failed cell.

A runner writes target/scenario-matrix/<language>.json:
{"columns": [...], "results": {scenario: {column: "ok" | "failed: …"}}}. A column is "<mode> <how>", and a scenario's
`modes` say which modes it has: a cell of another mode is shown as "·".
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCENARIOS = ROOT / "tests" / "scenarios"
REPORTS = ROOT / "target" / "scenario-matrix"
LANGUAGES = ("rust", "python")


def main() -> int:
    scenarios = {path.stem: json.loads(path.read_text()) for path in sorted(SCENARIOS.glob("*.json"))}
    problems: list[str] = []
    header: list[str] = []
    rows: dict[str, list[str]] = {name: [] for name in scenarios}
    for language in LANGUAGES:
        path = REPORTS / f"{language}.json"
        if not path.exists():
            problems.append(f"{language}: its scenario runner left no report")
            continue
        report = json.loads(path.read_text())
        for column in report["columns"]:
            header.append(f"{language} {column}")
            mode = column.split()[0]
            for name, scenario in scenarios.items():
                result = report["results"].get(name, {}).get(column)
                if mode not in scenario["modes"]:
                    rows[name].append("·")
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
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
