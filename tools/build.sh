#!/usr/bin/env bash
# The release Worker into build/. All helpers are given by name: worker-build would download them else.
source "$(dirname "$0")/env.sh"

say "building the Worker (release; about a minute the first time)"
export WASM_BINDGEN_BIN=$wasm_bindgen/bin/wasm-bindgen
export WASM_OPT_BIN=$PWD/node_modules/.bin/wasm-opt
export ESBUILD_BIN=$PWD/node_modules/.bin/esbuild
"$worker_build/bin/worker-build" --release
# Sorted by name, the copies of one generic function lie side by side, where gzip, which looks back 32 kB, sees that
# they are alike. The names themselves are of use to a debugger only, and a tenth of the whole.
"$WASM_OPT_BIN" --reorder-functions-by-name --strip-debug build/index_bg.wasm -o build/index_bg.wasm \
  --enable-bulk-memory --enable-multivalue --enable-mutable-globals --enable-nontrapping-float-to-int --enable-reference-types --enable-sign-ext
say "build/: $(gzip -9 -c build/index.js build/index_bg.wasm | wc -c) bytes gzip"
