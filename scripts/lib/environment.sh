# Shared by the scripts beside this folder, which source it: finds the checkout and makes its virtual environment.
# shellcheck shell=bash

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
VENV="$ROOT/.venv"
STAMP="$VENV/upperbound-stamp"
export PIP_DISABLE_PIP_VERSION_CHECK=1
# shellcheck disable=SC2034  # read by the scripts that source this file
BIN="$VENV/bin"

say() { printf '%s\n' "$*" >&2; }
die() {
  say "error: $*"
  exit 2
}

# True where packages can be installed with apt without asking anybody.
is_root_on_debian() { [ "$(id -u)" -eq 0 ] && [ -f /etc/debian_version ] && command -v apt-get >/dev/null 2>&1; }

# The lists of packages on a fresh machine are missing or old: they are fetched once per script.
# What apt and the packages' own scripts print is shown only if they fail.
apt_install() {
  local output
  export DEBIAN_FRONTEND=noninteractive
  if [ -z "${apt_lists_are_new:-}" ]; then
    output=$(apt-get update -qq 2>&1) || say "$output" # it fails when one of many sources does
    apt_lists_are_new=yes
  fi
  if ! output=$(apt-get install -y -qq --no-install-recommends "$@" 2>&1); then
    say "$output"
    return 1
  fi
}

is_supported_python() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

# Prints the Python that makes the environment: UPPERBOUND_PYTHON, else the first one that is new enough.
find_python() {
  local candidate
  if [ -n "${UPPERBOUND_PYTHON:-}" ]; then
    is_supported_python "$UPPERBOUND_PYTHON" ||
      die "UPPERBOUND_PYTHON=$UPPERBOUND_PYTHON is not a Python of version 3.11 or newer."
    command -v "$UPPERBOUND_PYTHON"
    return
  fi
  for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
    if is_supported_python "$candidate"; then
      command -v "$candidate"
      return
    fi
  done
  die "Python 3.11 or newer is needed; found $(python3 --version 2>/dev/null || echo no python3)." \
    "Install one, or name it: UPPERBOUND_PYTHON=/path/to/python3.12 $0"
}

# Debian ships Python without what it takes to make a virtual environment.
need_venv_module() {
  "$1" -c 'import ensurepip, venv' >/dev/null 2>&1 && return
  if is_root_on_debian; then
    say "Installing python3-venv with apt …"
    apt_install python3-venv || true
    "$1" -c 'import ensurepip, venv' >/dev/null 2>&1 && return
  fi
  die "$1 cannot make virtual environments: its venv and ensurepip modules are missing." \
    "On Debian and Ubuntu: apt-get install python3-venv"
}

# What the environment was made from, the compiled part of the product included: when this changes, it is brought up to date.
# The path is part of it because an environment works only in the place it was made in.
fingerprint() {
  (
    cd "$ROOT" || exit
    { printf '%s\n' "$ROOT" && cat pyproject.toml hatch_build.py src/upperbound/loadgen/loop.c requirements/runtime.lock requirements/dev.lock; } | cksum | tr ' ' '-'
  )
}

# Succeeds when the environment holds at least what is asked for; the developers' set includes the users' one.
is_current() {
  local made
  [ -x "$VENV/bin/python" ] && [ -f "$STAMP" ] || return 1
  made=$(cat "$STAMP")
  [ "$made" = "$1 $2" ] || [ "$made" = "dev $2" ]
}

# An environment of an older Python, half made, or moved with its checkout is made anew. Its programs name its place.
venv_works() {
  is_supported_python "$VENV/bin/python" && "$VENV/bin/python" -m pip --version >/dev/null 2>&1 &&
    grep -qF "$VENV/bin/python" "$VENV/bin/pip"
}

install_into_venv() {
  local lock=$1 print=$2 python
  is_current "$lock" "$print" && return # another call made it while this one waited
  if [ -d "$VENV" ]; then
    say "Bringing .venv up to date …"
  else
    say "Setting up .venv (once, about a minute) …"
  fi
  rm -f "$STAMP"
  if ! venv_works; then
    python=$(find_python)
    need_venv_module "$python"
    "$python" -m venv --clear "$VENV"
  fi
  # -qq leaves errors only: what a machine's own settings of pip warn about is not the reader's concern.
  "$VENV/bin/python" -m pip install -qq --require-hashes -r "$ROOT/requirements/$lock.lock" ||
    die "the packages of requirements/$lock.lock could not be installed; see above."
  "$VENV/bin/python" -m pip install -qq --no-deps -e "$ROOT" ||
    die "Upperbound could not be installed into .venv; see above."
  printf '%s %s\n' "$lock" "$print" >"$STAMP"
}

# Makes .venv hold the packages of requirements/$1.lock (runtime or dev) and this checkout; quick when it does already.
# Calls at the same time wait for each other where flock(1) exists. The lock sits on the folder of the scripts, so that no
# lock file is left behind, and ends with the subshell, so that nothing the caller starts can hold it.
ensure_environment() {
  local print
  print=$(fingerprint)
  is_current "$1" "$print" && return
  (
    if command -v flock >/dev/null 2>&1; then flock 9 || true; fi
    install_into_venv "$1" "$print"
  ) 9<"$ROOT/scripts"
}
