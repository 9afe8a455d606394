"""A drill's figures as a table, for a terminal and for docs/chaos.md."""

from __future__ import annotations

import collections
import datetime
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from chaos.drill import Report
from support.paths import ROOT


def _table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> list[str]:
    columns = list(head)
    lines = [f"| {' | '.join(columns)} |", f"| {' | '.join('---' for _ in columns)} |"]
    lines += [f"| {' | '.join(str(cell) for cell in row)} |" for row in rows]
    return lines


def _faults(report: Report) -> list[str]:
    by_kind = collections.defaultdict(list)
    for fault in report.faults:
        by_kind[fault.kind].append(fault)
    rows = [
        (kind, len(fired), f"{max(f.whole_s for f in fired):.1f} s", fired[0].proof)
        for kind, fired in sorted(by_kind.items())
    ]
    return _table(("fault", "fired", "whole again after, at most", "how it is known"), rows)


def _queries(report: Report) -> list[str]:
    by_way = collections.defaultdict(list)
    for outcome in report.outcomes:
        by_way[outcome.way].append(outcome)
    rows = []
    for way, outcomes in sorted(by_way.items()):
        times = sorted(o.end - o.start for o in outcomes)
        rows.append(
            (
                way,
                len(outcomes),
                sum(o.result == "right" for o in outcomes),
                sum(o.result == "error" for o in outcomes),
                f"{times[len(times) // 2] * 1000:.0f} ms",
                f"{times[-1]:.1f} s",
            )
        )
    return _table(("delivery", "queries", "right", "typed errors", "median", "longest"), rows)


def lines(report: Report) -> list[str]:
    """Markdown."""
    codes = ", ".join(f"{n} {code}" for code, n in sorted(report.codes().items())) or "none"
    seen = report.seen
    memory = seen.coordinator_bytes
    right = sum(o.result == "right" for o in report.outcomes)
    return [
        f"Seed {report.seed}, {report.seconds:.0f} s: {len(report.faults)} faults, "
        f"{len(report.outcomes)} queries, {right} right, typed errors: {codes}; "
        f"{len(report.violations)} violations.",
        f"The coordinator retried {len(seen.retried)} queries on other workers; claims: "
        + ", ".join(f"{n} {kind}" for kind, n in sorted(seen.claims.items()))
        + f"; its memory: {memory[0] >> 20} MiB at first, {max(memory) >> 20} at most, "
        f"{memory[-1] >> 20} at last.",
        "",
        *_queries(report),
        "",
        *_faults(report),
    ]


def write(path: Path, report: Report, command: str) -> None:
    """The page of docs/, made anew."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True
    )
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    load = os.getloadavg()[0]  # of all that ran there
    head = f"""# Chaos

Four workers, S3, and a desk with the coordinator and the clients: real processes, each machine in
a network namespace of its own, joined by links that can be slowed and cut (`tests/chaos`). Clients
ask all the time, by all deliveries; faults fire in an order that the seed gives. Each result must
be plain DuckDB's, whole, or a typed retryable error within the query's deadline; after each fault
the fleet must be whole again within 45 s, and at the end no slot is taken and no line has anything
left.

Made on {today} at {commit.stdout.strip()} on {os.cpu_count()} cores with a load of {load:.0f} by

```
{command}
```

"""
    path.write_text(head + "\n".join(lines(report)) + "\n")
