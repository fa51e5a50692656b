# Sourced by the other scripts: where things are, and how to talk.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Tools that take minutes to build live outside the checkout, so that a second clone reuses them.
cache=${LATCHKEY_CACHE:-${XDG_CACHE_HOME:-${HOME:?set HOME or LATCHKEY_CACHE}/.cache}/latchkey}

# worker-build goes with the `worker` crate; the wasm-bindgen tool must be the very version of the library.
locked() { awk -v name="name = \"$1\"" '$0 == name { getline; gsub(/[^0-9.]/, ""); print; exit }' Cargo.lock; }
worker_build_version=$(locked worker)
wasm_bindgen_version=$(locked wasm-bindgen)
worker_build=$cache/worker-build-$worker_build_version
wasm_bindgen=$cache/wasm-bindgen-$wasm_bindgen_version

# The pinned Node and tools first; npm itself must not run on the Node it replaces (see setup.sh).
machine_path=${PATH//"$PWD/node_modules/.bin:"/}
export PATH=$PWD/node_modules/.bin:$machine_path

say() { printf 'latchkey: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
