"""`zipmo say "SENTENCE"`: give a running planner its instruction, and wait until it is in use."""

from __future__ import annotations

import argparse
import sys


def main(argv: list[str]) -> int:
    """0 once the planner uses the sentence; 1 when there is no planner or it doesn't take it; 2 for a bad sentence."""
    parser = argparse.ArgumentParser(prog="zipmo say", description=__doc__)
    parser.add_argument("sentence", nargs="+", help="what the arm shall do")
    parser.add_argument("--namespace", default="", help="namespace of the graph")
    parser.add_argument("--timeout", type=float, default=10.0, help="seconds to wait for a planner")
    options = parser.parse_args(argv)
    from zipmo_ros.nodes.say import say  # only now: --help needs no ROS

    sentence = " ".join(options.sentence)
    try:
        say(sentence, options.namespace, options.timeout)
    except (ValueError, TimeoutError) as error:
        print(f"zipmo say: {error}", file=sys.stderr)
        return 2 if isinstance(error, ValueError) else 1
    except KeyboardInterrupt:
        return 130
    print(f"in use: {sentence}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
