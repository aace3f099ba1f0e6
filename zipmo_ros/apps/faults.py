"""`zipmo faults`: what comes of faults over the wire."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

from tqdm import tqdm

from zipmo_ros.apps.configuration import Count, Domain, Names, Range, Seed, Timeout, load, plain
from zipmo_ros.contract.arm import CommandKind
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.evaluation.faults.drill import Injection, draw, drill
from zipmo_ros.evaluation.faults.findings import Finding, of_kind, read_finding, summary
from zipmo_ros.evaluation.faults.kinds import of_rig
from zipmo_ros.evaluation.faults.telling import COLUMNS, headline, rows
from zipmo_ros.evaluation.journal import Journal
from zipmo_ros.evaluation.origin import origin
from zipmo_ros.evaluation.origin import request as asked
from zipmo_ros.evaluation.plotting import plot_faults
from zipmo_ros.evaluation.results import grouped, markdown, write_json
from zipmo_ros.motion.checkpoint import write_atomically

RESTARTS = 5  # of a rig that no longer recovers, for the same injection


@dataclass(frozen=True)
class FaultsRequest:
    """Keys of config/hydra/faults.yaml."""

    rig: Literal["arm", "sim"]
    injections: Count
    seed: Seed
    kinds: Names
    interface: Annotated[tuple[CommandKind, ...], Range(1)]
    plan_timeout: Timeout | None
    joint_timeout: Timeout | None
    hand_timeout: Timeout | None
    command_timeout: Timeout | None
    deadman_timeout: Timeout
    load: Annotated[int, Range(0, 64)]
    domain: Domain | None
    out: Path
    fresh: bool

    @property
    def drawn(self) -> list[Injection]:
        """Raises ValueError for unknown kinds."""
        kinds = of_rig(self.rig, () if self.kinds == "all" else self.kinds)
        return draw(kinds, self.interface if self.rig == "arm" else ("twin",), self.injections, self.seed)

    @property
    def given(self) -> dict[tuple[str, str], str]:
        """Parameters of nodes, where they are not as they ship: {(node, parameter): value}."""
        driven = self.rig
        named = {
            ("policy", "plan_timeout"): self.plan_timeout,
            ("policy", "joint_timeout"): self.joint_timeout,
            (driven, "command_timeout"): self.command_timeout,
            ("policy", "deadman_timeout"): self.deadman_timeout,
            (driven, "deadman_timeout"): self.deadman_timeout,
            **({("arm", "joint_timeout"): self.hand_timeout} if driven == "arm" else {}),
        }
        return {key: str(value) for key, value in named.items() if value is not None}


def main(argv: list[str]) -> int:
    """0; 1 where a motion was unsafe or the rig broke; 2 for a wrong request."""
    try:
        request = load("faults", argv, FaultsRequest)
        drawn = request.drawn
        from zipmo_ros.nodes.faults.timeouts import in_force  # only now: --help needs no rclpy
    except (ValueError, ImportError) as error:
        print(f"zipmo faults: {error}", file=sys.stderr)
        return 2
    timeouts = in_force(request.rig, request.given)
    asked_for = (request.rig, request.seed, len(drawn), request.kinds, request.interface, request.load, timeouts)
    names = ("rig", "seed", "injections", "kinds", "interface", "load", "timeouts")
    identity = dict(zip(names, map(str, asked_for), strict=True))
    path = request.out.with_name(f"{request.out.name}l")
    try:
        with Journal(path, identity, request.fresh, read_finding) as journal, _busy(request.load):
            broken = _run(request, drawn, journal, timeouts)
            found = [journal.done[number] for number in sorted(journal.done)]
    except (ValueError, BlockingIOError) as error:
        print(f"zipmo faults: {error}", file=sys.stderr)
        return 2
    report = {
        **asked("faults", argv, plain(request)), **origin(), "rig": request.rig, "timeouts": timeouts,
        "drilled": sorted({finding.setting for finding in found}), "summary": summary(found),
        "kinds": [of_kind(group) for group in grouped(found, lambda finding: finding.kind)],
        "findings": [asdict(finding) for finding in found],
    }  # fmt: skip
    _write(request.out, report)
    if broken:
        print(f"zipmo faults: {broken}; the same command goes on", file=sys.stderr)
    return int(bool(broken) or report["summary"]["unsafe"] > 0)


def _run(request: FaultsRequest, drawn: Sequence[Injection], journal: Journal[Finding], timeouts: dict) -> str | None:
    """Run what is missing; None, or why that did not go to the end."""
    from zipmo_ros.nodes.faults.injections import INJECTIONS
    from zipmo_ros.nodes.faults.rigs import RIGS

    period, failures, log = load_robot().period_s, 0, request.out.with_suffix(".log")
    log.parent.mkdir(parents=True, exist_ok=True)
    with tqdm(total=len(drawn), initial=len(journal.done), unit="fault") as bar:

        def found(finding: Finding) -> None:
            journal.append(finding)
            bar.update()
            for problem in finding.problems:
                bar.write(f"{finding.number} {finding.kind} ({finding.setting}): {problem}")

        while left := [injection for injection in drawn if injection.number not in journal.done]:
            setting, before = left[0].setting, len(journal.done)
            bar.set_description(setting)
            try:
                with RIGS[request.rig](setting, request.given, request.domain, log) as rig:
                    drill(rig, [i for i in left if i.setting == setting], INJECTIONS, timeouts, period, found)
            except RuntimeError as error:
                bar.write(f"{error}: starting the rig afresh")
                failures = failures + 1 if len(journal.done) == before else 0
                if failures > RESTARTS:
                    return str(error)
    return None


@contextlib.contextmanager
def _busy(count: int) -> Iterator[None]:
    """With so many processes that keep the processor busy."""
    burners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


def _write(out: Path, report: dict) -> None:
    write_json(out, report)
    picture, page = out.with_suffix(".png"), out.with_suffix(".md")
    plot_faults(report, picture)
    table = markdown(COLUMNS, rows(report["kinds"]))
    write_atomically(page, f"{headline(report)}\n\n{table}\n".encode())
    print(table)
    print(headline(report))
    print(f"written to {out}, {page} and {picture}")
