#!/usr/bin/env bash
# Builds zipmo_interfaces without a ROS installation, from wheels: build_from_wheels.sh VENV PREFIX
# VENV is the virtual environment of the generators (made where it is missing), PREFIX is where the result goes.
# Where ROS is installed, use colcon: colcon build --base-paths . zipmo_interfaces
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
venv="$(realpath -m "$1")"
prefix="$(realpath -m "$2")"
for tool in cmake cc c++; do
  command -v "$tool" >/dev/null || { echo "zipmo_interfaces: $tool is missing; install cmake and a C++ compiler" >&2; exit 3; }
done

if [ ! -e "$venv/.ready" ]; then
  [ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
  "$venv/bin/python" -m pip install --quiet --requirement "$here/../requirements/interfaces.txt"
  # ament_package is in no wheel. Debian's is taken apart, not installed.
  if ! "$venv/bin/python" -c "import ament_package" 2>/dev/null; then
    unpacked="$(mktemp -d)"
    (cd "$unpacked" && apt-get download -qq python3-ament-package && dpkg --extract python3-ament-package_*.deb .)
    site="$("$venv/bin/python" -c "import sysconfig; print(sysconfig.get_path('purelib'))")"
    cp -r "$unpacked/usr/lib/python3/dist-packages/ament_package" "$site/"
    rm -r "$unpacked"
  fi
  # The wheels' exported targets name the paths of the machine that built them.
  "$venv/bin/python" - <<'PYTHON'
import re, sys, sysconfig
from pathlib import Path
import numpy
for file in Path(sys.prefix, "share").rglob("*.cmake"):
    text = file.read_text()
    ours = re.sub(r"/opt/python/cp3\d+-cp3\d+/include/python3\.\d+", sysconfig.get_path("include"), text)
    ours = re.sub(r"/opt/python/cp3\d+-cp3\d+/lib/python3\.\d+/site-packages/numpy/_core/include", numpy.get_include(), ours)
    if ours != text:
        file.write_text(ours)
PYTHON
  touch "$venv/.ready"
fi

export PATH="$venv/bin:$PATH" AMENT_PREFIX_PATH="$venv" CMAKE_PREFIX_PATH="$venv"
build="$prefix.build"
cmake -S "$here" -B "$build" -DCMAKE_INSTALL_PREFIX="$prefix" -DPython3_EXECUTABLE="$venv/bin/python" -DBUILD_TESTING=OFF
cmake --build "$build" --target install
