"""Episodes for result files without running any, and what a page that was made of them says."""

import random

from zipmo_ros.evaluation.outcomes import Outcome

CHANCES = {"expert": 1.0, "tracks": 0.9, "plans": 1.0, "none": 0.6, "bc": 0.3, "zeroed": 0.1, "replay": 0.2}


def run(settings, episodes, workers, progress, journal, place):
    """Outcomes by lot, worse with every rung."""
    outcomes = []
    for episode in episodes:
        lot = random.Random(f"{settings.policy or settings.oracle} {episode}").random()
        done = lot < CHANCES[settings.policy or settings.oracle]
        original = done if episode.task == episode.instructed_task else lot > 0.95
        plan_ms = 10.0 * settings.nfe if settings.via == "ros" else None
        error = 0.1 if settings.oracle == "plans" else None
        outcomes.append(Outcome.of(episode, success=done, original_success=original, steps=50, plan_ms=plan_ms,
                                   failure=None if done else "timeout", action_error=error))  # fmt: skip
    return outcomes


def rows(text, title):
    """Cells of the lines of the first table below a title."""
    below = text.split(f"## {title}", 1)[1].split("\n## ")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in below if line.startswith("|")]


def tables(text, title):
    """Of a section, the cells of each table without its head."""
    below = text.split(f"## {title}", 1)[1].split("\n## ")[0].split("\n\n")
    return [
        [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines()[2:]]
        for part in below
        if part.startswith("|")
    ]
