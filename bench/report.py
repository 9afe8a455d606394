#!/usr/bin/env python3
"""A results file as a Markdown report with plots; the newest one in README, between markers.

    python bench/report.py [FILE.json]     by default the newest of bench/results

What people know of a miss (bench/findings.md, one paragraph a target's name) stands in the report.
"""

from __future__ import annotations

import json
import re
import statistics
import sys
from pathlib import Path
from typing import Any

import s3_data
import targets
from book import Book, Measurement, load
from plot import Bar, chart
from workloads import analytics, latency, prototype, streaming

README = s3_data.ROOT / "README.md"
RESULTS = s3_data.ROOT / "bench/results"
FINDINGS = s3_data.ROOT / "bench/findings.md"
_BEGIN, _END = "<!-- bench: written by bench/report.py -->", "<!-- bench: end -->"


def _number(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def figures(one: Measurement) -> str:
    """Median with minimum and maximum; or why there is none."""
    if not one.values:
        return one.why or "no figure"
    middle, low, high = statistics.median(one.values), min(one.values), max(one.values)
    if len(one.values) == 1:
        return f"{_number(middle)} {one.unit} (once)"
    return f"{_number(middle)} {one.unit} [{_number(low)}..{_number(high)}]"


def plain_line(one: Measurement) -> str:
    return f"{one.case:56} {one.system:28} {figures(one)}"


def _peaks(one: Measurement) -> str:
    peaks: dict[str, int] = one.extra.get("peaks", {})
    return ", ".join(f"{name} {size / 2**20:.0f}" for name, size in peaks.items())


def _bars(book: Book, workload: str, case: str, label: str = "") -> list[Bar]:
    found = [m for m in book.measurements if m.workload == workload and m.case == case]
    return [
        Bar(f"{one.system}{label}", one.median, min(one.values), max(one.values), figures(one))
        if one.values
        else Bar(f"{one.system}{label}", None, text="not measured")
        for one in found
    ]


def _workload_1(book: Book) -> str:
    groups = []
    for cache in prototype.CACHES:
        bars = _bars(book, prototype.NARROW, f"shaped, one process, cache {cache}")
        for count in (1, 2, 4):
            words = f"{count} worker{'s' * (count > 1)}"
            case = f"shaped, {words}, cache {cache}"
            # A system that never ran would be a column of excuses: the table has them.
            bars += [b for b in _bars(book, prototype.NARROW, case, f", {words}") if b.value]
        groups.append((f"cache {cache}", bars))
    title = "30 files x 3 reads, 8 threads; S3 30 ms away, links of 60 MB/s"
    return chart(title, "s (less is better)", groups)


def _wide(book: Book) -> str:
    cases = dict.fromkeys(m.case for m in book.measurements if m.workload == prototype.WIDE_FORM)
    groups = [(case, _bars(book, prototype.WIDE_FORM, case)) for case in cases]
    return chart("30 files of 25 MB, full width; links of 20 MB/s", "s (less is better)", groups)


def _cases(book: Book, workload: str, title: str, unit: str) -> str:
    cases = dict.fromkeys(
        m.case for m in book.measurements if m.workload == workload and m.unit == unit
    )
    better = "more is better" if unit == "per s" else "less is better"
    return chart(
        title, f"{unit} ({better})", [(case, _bars(book, workload, case)) for case in cases]
    )


def plots(book: Book) -> dict[str, str]:
    """SVGs by name; only of what was measured."""
    there = {m.workload for m in book.measurements if m.values}
    made = {}
    if prototype.NARROW in there:
        made["workload1"] = _workload_1(book)
    if prototype.WIDE_FORM in there:
        made["wide"] = _wide(book)
    for name, workload, title, unit in (
        ("latency", latency.WORKLOAD, "A small query of a local file, warm", "ms"),
        ("requests", latency.WORKLOAD, "The same, requests a second", "per s"),
        ("streaming", streaming.WORKLOAD, "Large results to a client", "s"),
        ("analytics", analytics.WORKLOAD, "TPC-H SF1 and scans", "s"),
        ("faults", "faults", "Zipf keys and faults, 4 workers", "s"),
        ("growth", "growth", "Files and workers", "s"),
    ):
        if workload in there:
            made[name] = _cases(book, workload, title, unit)
    return made


def _target_rows(verdicts: list[targets.Verdict]) -> list[str]:
    rows = ["| target | at least | measured | |", "| --- | --- | --- | --- |"]
    for one in verdicts:
        unit = one.target.unit
        bound = f"{one.target.bound:g}{'x' if unit == 'x' else ' ' + unit}"
        bound = f"at most {bound}" if one.target.at_most else bound
        shown = one.why if one.value is None else targets.amount(one)
        rows.append(f"| {one.target.name} | {bound} | {shown} | {one.word} |")
    return rows


def findings() -> dict[str, str]:
    """The paragraphs of findings.md by their headings."""
    if not FINDINGS.exists():
        return {}
    parts = re.split(r"^## (.+)$", FINDINGS.read_text(), flags=re.MULTILINE)
    return {parts[i].strip(): parts[i + 1].strip() for i in range(1, len(parts) - 1, 2)}


def _misses(verdicts: list[targets.Verdict]) -> list[str]:
    missed = [one for one in verdicts if one.met is False]
    if not missed:
        return []
    known = findings()
    lines = ["", "## What was missed, and why", ""]
    for one in missed:
        lines.append(
            f"- **{one.target.name}**: {known.get(one.target.name, 'not looked into yet')}"
        )
    return lines


def _tables(book: Book) -> list[str]:
    lines: list[str] = []
    for workload in dict.fromkeys(m.workload for m in book.measurements):
        lines += ["", f"## {workload}", "", "| case | system | median [min..max] | peak MiB |"]
        lines.append("| --- | --- | --- | --- |")
        for one in book.measurements:
            if one.workload == workload:
                row = f"| {one.case} | {one.system} | {figures(one)} | {_peaks(one)} |"
                lines.append(row.replace("\n", " "))
    return lines


def _requests(book: Book) -> list[str]:
    """What Eider asked of S3 in a trial, where it is known."""
    rows = [one for one in book.measurements if one.extra.get("figures")]
    if not rows:
        return []
    lines = ["", "## What S3 was asked, in the last trial", ""]
    lines += ["| workload | case | requests | MB | dollars |", "| --- | --- | --- | --- | --- |"]
    for one in rows:
        told: dict[str, Any] = one.extra["figures"]
        if "s3_requests" in told:
            lines.append(
                f"| {one.workload} | {one.case}, {one.system} | {told['s3_requests']:.0f} | "
                f"{told['s3_bytes'] / 1e6:.1f} | {told['cost_usd']:.6f} |"
            )
    return lines


def conditions_line(about: dict[str, Any]) -> str:
    alone = (
        f"other work ran on it (load {about['load_at_start']} at the start): read the ratios"
        if about["load_at_start"] > 1
        else f"load {about['load_at_start']} at the start"
    )
    if about.get("nice"):
        alone += f", the bench at priority {about['nice']}"
    changed = " with uncommitted changes" if about["uncommitted_changes"] else ""
    tiny = " A run to try the bench itself: its figures say nothing." if about.get("tiny") else ""
    return (
        f"{about['date'][:10]}, commit {about['commit']}{changed}; {about['cores']} cores "
        f"({about['cpu']}), {about['memory_gib']} GiB, Linux {about['kernel']}, {alone}; "
        f"{about['eider']}, DuckDB {about['duckdb']}, {about['versitygw'] or 'versitygw'}; "
        f"{about['trials']} trials in turns, the {about['form']} form, "
        f"{about.get('minutes', '?')} minutes.{tiny}"
    )


def write(file: Path) -> Path:
    """The report beside a results file, with its plots."""
    made = json.loads(file.read_text())
    book, about = load(made), made["conditions"]
    verdicts = targets.judge(book)
    stem = file.with_suffix("").name
    lines = [f"# The bench, {stem}", "", conditions_line(about), ""]
    lines.append(f"{book.checks} results were checked to be the same in all systems.")
    lines += ["", "## Targets", "", *_target_rows(verdicts), *_misses(verdicts)]
    for name, svg in plots(book).items():
        picture = file.with_name(f"{stem}-{name}.svg")
        picture.write_text(svg)
        lines += ["", f"![{name}]({picture.name})"]
    lines += [*_tables(book), *_requests(book)]
    if book.notes:
        lines += ["", "## Notes", "", *(f"- {note}" for note in book.notes)]
    report = file.with_suffix(".md")
    report.write_text("\n".join(lines) + "\n")
    return report


def readme(file: Path) -> bool:
    """Writes the newest figures between README's markers; whether they are there."""
    made = json.loads(file.read_text())
    book, about = load(made), made["conditions"]
    stem = file.with_suffix("").name
    rows = _target_rows(targets.judge(book))
    text = "\n".join(
        [
            _BEGIN,
            f"![workload 1](bench/results/{stem}-workload1.svg)",
            "",
            *rows,
            "",
            f"[The whole report](bench/results/{stem}.md). {conditions_line(about)}",
            _END,
        ]
    )
    old = README.read_text()
    pattern = re.compile(re.escape(_BEGIN) + ".*?" + re.escape(_END), re.DOTALL)
    if not pattern.search(old):
        return False
    README.write_text(pattern.sub(lambda _: text, old))
    return True


def newest() -> Path | None:
    """By the date that it began; a run that only tried the bench is none."""
    found = []
    for file in RESULTS.glob("*.json"):
        about = json.loads(file.read_text())["conditions"]
        if not about.get("tiny"):
            found.append((about["date"], file))
    return max(found)[1] if found else None


def main() -> int:
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else newest()
    if file is None:
        print(f"no results in {RESULTS}")
        return 1
    print(write(file))
    if not readme(file):
        print(f"{README.name} has no markers {_BEGIN} ... {_END}")
        return 1
    print(README)
    return 0


if __name__ == "__main__":
    sys.exit(main())
