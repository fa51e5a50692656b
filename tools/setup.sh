#!/usr/bin/env bash
# Makes this checkout ready to build and serve; `setup.sh browser` also finds or installs the
# browser of the tests. Says what it does in one line each, and nothing when there is nothing to do.
source "$(dirname "$0")/env.sh"
export PATH=$machine_path

command -v git >/dev/null || die "git is missing: install it with the system's package manager"
command -v cargo >/dev/null && command -v rustc >/dev/null || die "Rust is missing: install it with rustup (https://rustup.rs)"
command -v cc >/dev/null || die "a C linker (cc) is missing: install gcc or clang (Debian: apt-get install build-essential)"
command -v npm >/dev/null && command -v node >/dev/null || die "Node is missing: install Node 20 or newer with npm"
node_major=$(node -p 'process.versions.node.split(".")[0]')
[ "$node_major" -ge 20 ] || die "Node 20 or newer is needed, this is $(node -v)"

target=wasm32-unknown-unknown
if [ ! -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ]; then
  command -v rustup >/dev/null || die "this Rust has no $target and no rustup to add it: install Rust with rustup (https://rustup.rs)"
  say "adding the Rust target $target"
  rustup --quiet target add "$target" || die "rustup could not add $target: is the network reachable?"
fi

# install_tool FOLDER BINARY CARGO-INSTALL-ARGUMENTS...: each set-up builds in a folder of its own and
# moves the finished binary into place, so two of them at once do no harm.
install_tool() {
  local folder=$1 binary=$2
  shift 2
  [ ! -x "$folder/bin/$binary" ] || return 0
  say "building ${folder##*/} into $cache (a few minutes, once per machine)"
  mkdir -p "$folder/bin"
  [ -n "${work:-}" ] || { work=$(mktemp -d "$cache/.build.XXXXXX") && trap 'rm -rf "$work"' EXIT; }
  CARGO_TARGET_DIR=$work/target cargo install --quiet --root "$work" --no-track "$@" || die "building ${folder##*/} failed"
  mv -f "$work/bin/$binary" "$folder/bin/$binary"
}
install_tool "$worker_build" worker-build worker-build --version "$worker_build_version" --locked
# Not --locked: its lock file names a crate version that the registry no longer has.
install_tool "$wasm_bindgen" wasm-bindgen wasm-bindgen-cli --version "$wasm_bindgen_version" --bin wasm-bindgen

if ! cmp -s package-lock.json node_modules/.latchkey-installed; then
  say "installing the pinned npm packages (runtime, bundler, optimiser)"
  npm ci --ignore-scripts --no-audit --no-fund --silent >&2 || die "npm ci failed"
  cp package-lock.json node_modules/.latchkey-installed
fi

if [ "${1:-}" = browser ]; then
  found() { command -v chromedriver >/dev/null && { command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null; }
  if ! found; then
    if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
      say "installing chromium and chromedriver for the browser tests"
      export DEBIAN_FRONTEND=noninteractive
      { apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium chromium-driver fonts-dejavu-core; } >/dev/null || die "apt-get could not install chromium and chromium-driver"
    fi
    found || die "the browser tests need Chromium (or Chrome) and chromedriver on PATH"
  fi
fi
