#!/usr/bin/env bash
# Two realms that trust each other, and an API of each; then examples/federation shows what their people may at the other
# one. They run on until Ctrl-C, or not, if ONCE is set. Ports come from the environment, as below.
source "$(dirname "$0")/env.sh"
source tools/programs.sh

declare -A realm=([mdhlabs]=${MDHLABS_PORT:-8801} [providerx]=${PROVIDERX_PORT:-8802})
declare -A api=([mdhlabs]=${MDHLABS_API_PORT:-8811} [providerx]=${PROVIDERX_API_PORT:-8812})
build_programs federation resource-server

# The seeds name each other by the ports above; in two steps, for one port may be another's default.
seed() {
  sed -e 's/localhost:8801/@a/g; s/localhost:8802/@b/g; s/localhost:8811/@c/g; s/localhost:8812/@d/g' \
    -e "s/@a/localhost:${realm[mdhlabs]}/g; s/@b/localhost:${realm[providerx]}/g" \
    -e "s/@c/localhost:${api[mdhlabs]}/g; s/@d/localhost:${api[providerx]}/g" "examples/federation/$1.json" >"$work/$1.json"
}

# begin NAME TITLE COLOUR PEER
begin() {
  seed "$1"
  # A realm asks others' servers only where they are public, or listed: its peer for its keys.
  start "$1" env PORT="${realm[$1]}" STATE="$work/$1" SEED="$work/$1.json" OUTBOUND_ALLOW="localhost:${realm[$4]}" \
    REALM_NAME="$2" REALM_COLOR="$3" ISSUER= node tools/serve.mjs
}
begin mdhlabs "MDH Labs" "#0b6e4f" providerx
begin providerx "Provider X" "#7a3e9d" mdhlabs
arguments=()
for name in mdhlabs providerx; do
  issuer=http://localhost:${realm[$name]} at=localhost:${api[$name]}
  ready "$name" "ready $issuer"
  start "$name-api" "$programs/resource-server" --issuer "$issuer" --audience "http://$at" --listen "$at"
  ready "$name-api" "resource-server: listening on http://$at"
  arguments+=(--realm "$name=$issuer,http://$at,$work/$name.json")
done

"$programs/federation" "${arguments[@]}"

[ -z "${ONCE:-}" ] || exit 0
trap 'interrupted 0' INT TERM HUP
cat <<END

The realms run on, until Ctrl-C. People and clients are in examples/federation/*.json.
  mdhlabs    http://localhost:${realm[mdhlabs]}    API http://localhost:${api[mdhlabs]}    sign in as max / centrifuge-no-1864
  providerx  http://localhost:${realm[providerx]}    API http://localhost:${api[providerx]}    sign in as ivo / crossbar-no-1913
END
while check_running; do pause; done
