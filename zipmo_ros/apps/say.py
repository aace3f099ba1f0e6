"""`zipmo say "SENTENCE"`: give a running planner its instruction, and wait until it is in use.

With --time-limit, wait until it is carried out: the arm is stopped once the time is over, and on Ctrl-C.
"""

from __future__ import annotations

import argparse
import sys


def main(argv: list[str]) -> int:
    """0 once the planner uses the sentence, or the episode succeeds; 1 otherwise, and for a sentence that is not
    understood; 2 for a bad sentence or limit.
    """
    parser = argparse.ArgumentParser(prog="zipmo say", description=__doc__)
    parser.add_argument("sentence", nargs="+", help="what the arm shall do")
    parser.add_argument("--namespace", default="", help="namespace of the graph")
    parser.add_argument("--timeout", type=float, default=10.0, help="seconds to wait for a planner")
    parser.add_argument("--time-limit", type=float, metavar="S", help="wait for the episode's end, at most S seconds "
                        "(0: without end), then stop the arm")  # fmt: skip
    options = parser.parse_args(argv)
    from zipmo_ros.nodes.instructed_run import carry_out  # only now: --help needs no ROS
    from zipmo_ros.nodes.say import say

    sentence = " ".join(options.sentence)
    try:
        if options.time_limit is not None:
            ending = carry_out(sentence, options.namespace, options.time_limit)
            print(ending.reason, file=sys.stdout if ending.success else sys.stderr)
            return int(not ending.success)
        refusal = say(sentence, options.namespace, options.timeout)
    except (ValueError, TimeoutError) as error:
        print(f"zipmo say: {error}", file=sys.stderr)
        return 2 if isinstance(error, ValueError) else 1
    except KeyboardInterrupt:
        return 130
    print(f"in use: {sentence}")
    if refusal is not None:
        print(f"zipmo say: {refusal}", file=sys.stderr)
    return int(refusal is not None)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
