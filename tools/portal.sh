#!/usr/bin/env bash
# The example portal and its API beside a running `make dev`, in the foreground. Settings come from the environment:
#   ISSUER (http://localhost:8787), PORTAL_PORT (4180), API_PORT (4181), CLIENT_ID (demo-portal), LATCHKEY_CLIENT_SECRET.
# The provider must know http://localhost:PORTAL_PORT/callback as the client's redirect URI; the demo client has the default.
source "$(dirname "$0")/env.sh"

issuer=${ISSUER:-http://localhost:8787}
portal=localhost:${PORTAL_PORT:-4180} api=localhost:${API_PORT:-4181}
export LATCHKEY_CLIENT_SECRET=${LATCHKEY_CLIENT_SECRET:-demo-portal-secret-0123456789abcdef}

cargo build --quiet --no-default-features --features seed --example portal --example resource-server
programs=${CARGO_TARGET_DIR:-target}/debug/examples

running=()
stop() {
  trap - EXIT
  [ ${#running[@]} = 0 ] || kill "${running[@]}" 2>/dev/null || true
  wait
}
trap stop EXIT
trap 'exit 0' INT TERM HUP
# A `make` that is told to stop may leave without telling its children.
make=${MAKELEVEL:+$PPID}
all_run() {
  local id
  for id in "${running[@]}" $make; do kill -0 "$id" 2>/dev/null || return 1; done
}
# In the background, so that a signal need not wait for it.
pause() { sleep 0.2 & wait $!; }

"$programs/resource-server" --issuer "$issuer" --audience "http://$api" --listen "$api" &
running+=($!)
# A pause first: whoever else has the port would answer for it.
until pause && { all_run || die "the API did not start"; } && (exec 3<>"/dev/tcp/${api/://}") 2>/dev/null; do :; done
"$programs/portal" --issuer "$issuer" --client-id "${CLIENT_ID:-demo-portal}" --listen "$portal" --api "http://$api" &
running+=($!)
while all_run; do pause; done
[ -n "$make" ] && ! kill -0 "$make" 2>/dev/null || die "a program ended by itself; the other one is stopped"
