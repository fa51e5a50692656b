# Sourced after env.sh by scripts that run several programs at once: each program has a log of its own, all end with the
# script, and a program that ends by itself ends the script.
# shellcheck shell=bash

work=$(mktemp -d "${TMPDIR:-/tmp}/latchkey.XXXXXX")
# The runtime leaves files of its own where temporary ones are.
export TMPDIR=$work
names=() running=()
# A `make` that is told to stop may leave without telling its children.
make_id=${MAKELEVEL:+$PPID}

# Builds example programs and the seed tool; LATCHKEY_PROGRAMS names a folder where they are built already.
build_programs() {
  local folder=${LATCHKEY_PROGRAMS:-${CARGO_TARGET_DIR:-target}/debug}
  programs=$folder/examples
  export LATCHKEY_SEED=${LATCHKEY_SEED:-$folder/latchkey-seed}
  [ -n "${LATCHKEY_PROGRAMS:-}" ] || {
    say "building the example programs"
    cargo build --quiet --no-default-features --features seed --bin latchkey-seed "${@/#/--example=}"
  }
}

# start NAME COMMAND...: in the background, with its output in $work/NAME.log.
start() {
  local name=$1
  shift
  "$@" >"$work/$name.log" 2>&1 &
  names+=("$name") running+=($!)
}

# ready NAME LINE: waits until the program has printed the line.
ready() {
  until grep -qxF "$2" "$work/$1.log"; do
    check_running
    pause
  done
}

# In the background, so that a signal need not wait for it.
pause() { sleep 0.2 & wait $!; }

check_running() {
  local at
  for at in "${!running[@]}"; do
    kill -0 "${running[$at]}" 2>/dev/null || {
      tail -n 20 "$work/${names[$at]}.log" >&2
      die "${names[$at]} ended by itself; everything else is stopped"
    }
  done
  [ -z "$make_id" ] || kill -0 "$make_id" 2>/dev/null || exit 1
}

# Told to stop, by Ctrl-C and by a `make` that got it too: once is enough.
interrupted() {
  trap '' INT TERM HUP
  exit "$1"
}
finish() {
  local status=$?
  trap '' INT TERM HUP
  trap - EXIT
  [ ${#running[@]} = 0 ] || kill "${running[@]}" 2>/dev/null || true
  wait || true
  # The runtime may still be writing its last.
  rm -rf "$work" 2>/dev/null || { sleep 1 && rm -rf "$work"; }
  exit "$status"
}
trap finish EXIT
trap 'interrupted 130' INT TERM HUP
