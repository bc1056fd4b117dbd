# Makes the environment of the Snowflake emulator of the tests; sourced behind environment.sh.
# shellcheck shell=bash

EMULATOR="$ROOT/tests/emulators/snowflake"
EMULATOR_VENV="$ROOT/.venv-emulator"
EMULATOR_LOCK="$ROOT/requirements/emulator.lock"

emulator_fingerprint() { { printf '%s\n' "$ROOT" && cat "$EMULATOR_LOCK"; } | cksum | tr ' ' '-'; }

emulator_is_current() {
  [ -x "$EMULATOR_VENV/bin/python" ] && [ "$(cat "$EMULATOR_VENV/upperbound-stamp" 2>/dev/null)" = "$1" ]
}

install_emulator() {
  local print=$1 python
  emulator_is_current "$print" && return # another call made it while this one waited
  say "Setting up .venv-emulator for the Snowflake emulator (once, about a minute) …"
  python=$(find_python)
  need_venv_module "$python"
  "$python" -m venv --clear "$EMULATOR_VENV"
  "$EMULATOR_VENV/bin/python" -m pip install -qq --require-hashes -r "$EMULATOR_LOCK" ||
    die "the packages of requirements/emulator.lock could not be installed; see above."
  printf '%s\n' "$print" >"$EMULATOR_VENV/upperbound-stamp"
}

# Makes the environment if it is missing or made from other packages; quick when it is there. Test processes that call it
# at the same time wait for each other, as with ensure_environment.
ensure_emulator() {
  local print
  print=$(emulator_fingerprint)
  emulator_is_current "$print" && return
  (
    if command -v flock >/dev/null 2>&1; then flock 9 || true; fi
    install_emulator "$print"
  ) 9<"$EMULATOR"
}
