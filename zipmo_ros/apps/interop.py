"""`zipmo interop`: golden cases of the reference against our models; released and older checkpoints as ours."""

from __future__ import annotations

import argparse
import json
import logging
import re
import sys
from collections.abc import Callable
from pathlib import Path

REPOSITORY = "CompVis/ZipMo"
LICENCE = "CC BY-NC-SA 4.0"
SUITES = ("10", "goal", "object", "spatial")
# Spelled out, as _layouts: --help must not wait for torch. A test holds them against motion.zipmo.
PARTS = ("vae", "planner", "policy")


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="zipmo interop", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True)

    verify = commands.add_parser(
        "verify",
        help="golden cases: inputs and outputs of the reference against ours",
        description="Prints every case's largest absolute error, and one JSON object as last line. "
        "Exit status 1 above the tolerance.",
    )
    verify.add_argument("directory", type=Path, help="folder with config.json and *.io.npz (and perhaps the weights)")
    verify.add_argument(
        "--seed", type=int, help="draw the weights from this seed (default: DIR/*.safetensors, else config.json's seed)"
    )
    verify.add_argument(
        "--tolerance", type=float, default=2e-4, help="largest error that passes (default: %(default)s)"
    )

    upgrade = commands.add_parser(
        "upgrade",
        help="checkpoints of an older format as the present one",
        description="Of a checkpoint or of all in a bundle; prints the content hash (not of `meta`).",
    )
    upgrade.add_argument("directory", type=Path)
    upgrade.add_argument("--out", type=Path, help="write them there (default: in place)")
    upgrade.add_argument("--dtype", choices=("float32", "float16"), help="of the stored weights (default: as they are)")

    _add_released(commands)
    return top


def _add_released(commands: argparse._SubParsersAction) -> None:
    """What is done with released files."""
    load = commands.add_parser(
        "load",
        help="a released checkpoint, strictly",
        description="Names what does not fit, and tells what the file holds.",
    )
    load.add_argument(
        "file", type=Path, metavar="FILE_OR_DIR", help="the .safetensors file, or a folder that holds just one"
    )
    load.add_argument("--as", dest="layout", choices=_layouts(), help="what the file is (default: by its keys)")

    convert = commands.add_parser(
        "convert",
        help="released files as a bundle of ours, which checkpoint= takes",
        description="A file of policy_heads/ holds all of a bundle: planner, autoencoder and policy. A part that "
        "several files hold must be the same in all. The bundle is written whole, or not at all.",
    )
    convert.add_argument("files", type=Path, nargs="+", metavar="FILE", help="released .safetensors files")
    convert.add_argument("--out", type=Path, required=True, help="the bundle: a folder that is not there yet")
    convert.add_argument(
        "--parts", nargs="+", choices=PARTS, default=PARTS, help="folders to write (default: a whole bundle)"
    )

    random = commands.add_parser(
        "random",
        help="a file with a released layout and random weights, to try out what the released one goes through",
    )
    random.add_argument("layout", choices=_layouts())
    random.add_argument("--out", type=Path, required=True, help="the .safetensors file, of up to 4 GB")
    random.add_argument("--seed", type=int, default=0, help="of the weights (default: %(default)s)")

    fetch = commands.add_parser(
        "fetch",
        help=f"download a released checkpoint; its licence is {LICENCE}",
        description=f"Downloads from huggingface.co/{REPOSITORY}. The weights are licensed {LICENCE}: attribution, no "
        "commercial use, share alike. Nothing is fetched unless the licence is accepted.",
    )
    fetch.add_argument("layout", choices=_layouts())
    fetch.add_argument("--suite", choices=SUITES, help="which of the four policy_head_tramoe files")
    fetch.add_argument("--revision", required=True, type=_commit, help="commit of the repository, all 40 digits")
    fetch.add_argument("--out", type=Path, default=Path("data/released"), help="folder (default: %(default)s)")
    fetch.add_argument("--accept-licence", action="store_true", help=f"I have read {LICENCE} and accept it")


def _commit(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{40}", text):
        raise argparse.ArgumentTypeError("name a commit by its 40 hexadecimal digits: branches move")
    return text


def _layouts() -> tuple[str, ...]:
    return ("vae", "planner_sparse", "planner_dense", "libero_atm", "libero_tramoe", "policy_head_atm",
            "policy_head_tramoe")  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """0 if all is well, 1 if a case or a file does not fit, 2 on wrong use."""
    arguments = parser().parse_args(argv)
    commands: dict[str, Callable[[argparse.Namespace], int]] = {
        "verify": verify, "load": load, "convert": convert, "random": random, "upgrade": upgrade, "fetch": fetch,
    }  # fmt: skip
    try:
        return commands[arguments.command](arguments)
    except (ValueError, OSError) as error:
        print(f"zipmo interop {arguments.command}: {error}", file=sys.stderr)
        return 1


def verify(arguments: argparse.Namespace) -> int:
    from zipmo_ros.evaluation.policy_golden import verify_policy
    from zipmo_ros.motion.zipmo.golden import BF16_TOLERANCE, is_bf16, verify_golden

    report = verify_golden(arguments.directory, arguments.seed)
    report = report.merged(verify_policy(arguments.directory, arguments.seed))
    width = max(map(len, report.per_case))
    for case, error in report.per_case.items():
        tolerance = BF16_TOLERANCE if is_bf16(case) else arguments.tolerance
        note = f"   (bfloat16 rounding; bound {BF16_TOLERANCE:g}, kept out of the maximum)" if is_bf16(case) else ""
        print(f"{case:<{width}}  {error:.2e}{note}" + ("" if error <= tolerance else f"   <-- above {tolerance:g}"))
    summary = {"cases": report.cases, "max_abs_error": report.max_abs_error}
    if report.bf16_max_abs_error:
        summary["bf16_max_abs_error"] = report.bf16_max_abs_error
    print(json.dumps(summary))
    return 0 if report.passed(arguments.tolerance) else 1


def _policy():
    """A head of the released size."""
    from zipmo_policy import head

    return head.PolicyHead(head.base())


def load(arguments: argparse.Namespace) -> int:
    from zipmo_ros.motion.zipmo.interop import load_released

    name, parts = load_released(arguments.file, arguments.layout, _policy)
    print(f"{arguments.file} is a complete {name}:")
    if name == "planner_sparse" and arguments.layout is None:
        print("  (or a planner_dense under another name: its keys are the same; say which with --as)")
    for part, model in parts.items():
        print(f"  {part:<8} {sum(p.numel() for p in model.parameters()):>13,} parameters")
    return 0


def convert(arguments: argparse.Namespace) -> int:
    from zipmo_ros.motion.checkpoint import content_hash
    from zipmo_ros.motion.zipmo.released import convert

    for part, source in convert(arguments.files, arguments.out, _policy, LICENCE, arguments.parts).items():
        print(f"{arguments.out / part}  of {source.path} ({source.layout})")
    print(f"content {content_hash(arguments.out)}; the weights stay under {LICENCE}")
    return 0


def random(arguments: argparse.Namespace) -> int:
    from zipmo_ros.motion.zipmo.released import write_random

    write_random(arguments.out, arguments.layout, _policy, arguments.seed)
    print(f"{arguments.out}  (drawn, not learned)")
    return 0


def upgrade(arguments: argparse.Namespace) -> int:
    import torch

    from zipmo_ros.motion.checkpoint import content_hash
    from zipmo_ros.motion.upgrade import upgrade

    dtype = getattr(torch, arguments.dtype) if arguments.dtype else None
    for path in upgrade(arguments.directory, arguments.out, dtype):
        print(path)
    print(f"content {content_hash(arguments.out or arguments.directory)}")
    return 0


def fetch(arguments: argparse.Namespace) -> int:
    from zipmo_ros.motion.zipmo.interop import LAYOUTS

    print(
        f"The weights in huggingface.co/{REPOSITORY} are licensed {LICENCE}: non-commercial, attribution, share alike."
    )
    if not arguments.accept_licence:
        print("Nothing was fetched. Add --accept-licence if you accept it.", file=sys.stderr)
        return 2
    name = LAYOUTS[arguments.layout].file
    if "{suite}" in name:
        if arguments.suite is None:
            print(f"policy_head_tramoe is one file a suite: add --suite {'|'.join(SUITES)}", file=sys.stderr)
            return 2
        name = name.format(suite=arguments.suite)

    from huggingface_hub import hf_hub_download

    logging.getLogger("huggingface_hub").setLevel(logging.WARNING)
    path = hf_hub_download(REPOSITORY, name, revision=arguments.revision, local_dir=arguments.out)
    whole = f"convert {path} --out BUNDLE" if "policy" in arguments.layout else f"load {path} --as {arguments.layout}"
    print(f"{path}\nzipmo interop {whole}")
    return 0
