#!/usr/bin/env bash
# The release Worker into build/. All helpers are given by name: worker-build would download them else.
source "$(dirname "$0")/env.sh"

say "building the Worker (release; about a minute the first time)"
export WASM_BINDGEN_BIN=$wasm_bindgen/bin/wasm-bindgen
export WASM_OPT_BIN=$PWD/node_modules/.bin/wasm-opt
export ESBUILD_BIN=$PWD/node_modules/.bin/esbuild
"$worker_build/bin/worker-build" --release
say "build/: $(gzip -9 -c build/index.js build/index_bg.wasm | wc -c) bytes gzip"
