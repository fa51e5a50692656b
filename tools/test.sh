#!/usr/bin/env bash
# Every test ring, then one line that counts them; `test.sh lint` stops before the tests.
# A step that fails without a failed test of its own (formatting, a build) counts as one failure.
source "$(dirname "$0")/env.sh"

passed=0 failed=0 log=$(mktemp)
finish() {
  rm -f "$log"
  printf '\n%d passed, %d failed\n' "$passed" "$failed"
  [ "$failed" = 0 ]
}

# step NAME COMMAND...
step() {
  local name=$1 status=0 ok bad
  shift
  say "$name"
  "$@" 2>&1 | tee "$log" || status=$?
  read -r ok bad < <(sed -n 's/^test result: .* \([0-9]*\) passed; \([0-9]*\) failed.*/\1 \2/p' "$log" | awk '{ p += $1; f += $2 } END { print p + 0, f + 0 }')
  [ "$status" = 0 ] || [ "$bad" != 0 ] || bad=1
  [ "$status" = 0 ] || say "FAILED: $name"
  passed=$((passed + ok)) failed=$((failed + bad))
  return "$status"
}

bash tools/setup.sh "$([ "${1:-}" = lint ] || echo browser)" || { failed=1; finish; exit 1; }

native=(--no-default-features --features seed)
examples=(--example device --example portal --example resource-server --example service-client --example outside-issuer --example federation)
step "formatting" cargo fmt --all --check || true
step "clippy, native" cargo clippy --quiet "${native[@]}" --all-targets -- -D warnings || true
step "clippy, the command line" cargo clippy --quiet --package latchkey-cli --all-targets -- -D warnings || true
step "clippy, Wasm" cargo clippy --quiet --target wasm32-unknown-unknown --lib -- -D warnings || true
[ "${1:-}" != lint ] || { finish; exit; }

step "rings 1 and 2: rules, vectors, shape" cargo test "${native[@]}" --lib --bins "${examples[@]}" --test arch --test protocol || true
step "the command line" cargo test --package latchkey-cli || true
# The last ring runs the built Worker, the seed tool, the command line and the example programs.
step "the Worker" make --no-print-directory build &&
  step "the deployment, dry" env REALM=example DRY_RUN=1 make --no-print-directory deploy &&
  step "the seed tool and the examples" cargo build "${native[@]}" --bin latchkey-seed "${examples[@]}" &&
  step "the command line, built" cargo build --package latchkey-cli &&
  step "ring 3: the real Worker" cargo test "${native[@]}" --test e2e || true
finish
