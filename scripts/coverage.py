"""Line coverage of the core by its own tests and the simulator's: cargo-tarpaulin into docs/resilience/coverage.md.

Lines that only a mutant reaches are not counted: without the feature `mutants` they are no part of the build.
Exits 1 when the core is below its floor, or a room that must be whole is not.
"""

import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).parent.parent
OUT = ROOT / "target" / "coverage"
FLOOR = 0.90
# What decides over health, keys, money and the class of a failure.
WHOLE = [
    "health/breaker.rs",
    "limits/",
    "budget/",
    "dialect/openai_chat/classify.rs",
    "dialect/openai_chat/codes.rs",
    "dialect/anthropic_messages/classify.rs",
    "dialect/gemini/classify.rs",
]


def measure():
    command = ["cargo", "tarpaulin", "-p", "hotspare", "-p", "hotspare-simulator", "--engine", "llvm", "--skip-clean"]
    command += ["--target-dir", str(ROOT / "target" / "tarpaulin"), "--out", "Json", "--output-dir", str(OUT)]
    command += ["--include-files", "core/src/*", "--timeout", "600", "--no-fail-fast"]
    subprocess.run(command, cwd=ROOT, check=True)


def mutant_lines(source):
    """The numbers of the lines that only a mutant reaches: what stands in the braces after `mutant::on`."""
    lines, skipped, depth, inside = source.splitlines(), set(), 0, False
    for number, line in enumerate(lines, 1):
        if not inside and "mutant::on(" in line:
            inside, depth = True, 0
            skipped.add(number)
            line = line.split("mutant::on(", 1)[1]
        elif inside:
            skipped.add(number)
        if inside:
            depth += line.count("{") - line.count("}")
            if depth <= 0 and ("{" in line or "}" in line or line.rstrip().endswith((",", ";"))):
                inside = False
    return skipped


def read():
    report = json.loads((OUT / "tarpaulin-report.json").read_text())
    rows = {}
    for file in report["files"]:
        path = "/".join(file["path"])
        if "/core/src/" not in path:
            continue
        name = path.split("/core/src/")[1]
        if re.search(r"(^|/)(tests?|testing)(/|\.rs)", name) or name == "mutant.rs":
            continue
        skipped = mutant_lines((ROOT / "core" / "src" / name).read_text())
        lines = {trace["line"]: trace["stats"].get("Line", 0) for trace in file["traces"]}
        counted = {line: hits for line, hits in lines.items() if line not in skipped}
        if counted:
            rows[name] = counted
    return rows


def share(lines):
    return sum(1 for hits in lines if hits) / max(len(lines), 1)


def main():
    if "--no-run" not in sys.argv:
        measure()
    rows = read()
    every = [hits for lines in rows.values() for hits in lines.values()]
    rooms = {}
    for name, lines in rows.items():
        rooms.setdefault(name.split("/")[0] if "/" in name else name, []).extend(lines.values())
    text = [
        "# Line coverage",
        "",
        "Written by `make coverage` (cargo-tarpaulin, LLVM engine): the core's own tests, and the scenarios, incidents",
        "and recorded exchanges of the simulator's. The million-call simulation and the Python tests are not counted,",
        "nor are lines that only a mutant reaches.",
        "",
        f"The core: **{share(every):.1%}** of {len(every)} lines.",
        "",
        "| room | lines | covered |",
        "|---|---|---|",
    ]
    text += [f"| `{room}` | {len(lines)} | {share(lines):.1%} |" for room, lines in sorted(rooms.items())]
    text += ["", "What decides over health, keys, money and the class of a failure must be covered whole:", ""]
    text += ["| file | lines | covered |", "|---|---|---|"]
    holes = []
    for name, lines in sorted(rows.items()):
        if any(name.startswith(whole) for whole in WHOLE):
            text.append(f"| `{name}` | {len(lines)} | {share(lines.values()):.1%} |")
            holes += [f"{name}:{line}" for line, hits in sorted(lines.items()) if not hits]
    (ROOT / "docs" / "resilience" / "coverage.md").write_text("\n".join(text) + "\n")
    print("\n".join(text))
    if holes:
        print("\nnot covered:", ", ".join(holes))
    return 1 if holes or share(every) < FLOOR else 0


if __name__ == "__main__":
    sys.exit(main())
