#!/usr/bin/env bash
# A CI job trades the token of its platform for one of ours, and what is refused: docs/walkthroughs/github-actions.md on
# this machine, with examples/outside-issuer in place of GitHub. Everything stops at the end; the exit code says
# whether all was as it should be. Settings come from the environment:
#   PORT (8788) of Latchkey, GITHUB_PORT (4190) of the stand-in, API_PORT (4191) of the example API.
source "$(dirname "$0")/env.sh"
source tools/programs.sh
command -v curl >/dev/null || die "curl is missing: install it with the system's package manager"

issuer=http://localhost:${PORT:-8788}
github=http://localhost:${GITHUB_PORT:-4190}
api=http://localhost:${API_PORT:-4191}

# --- What runs ---------------------------------------------------------------------------------------------------
build_programs outside-issuer resource-server
sed -e 's/localhost:4190/@github/g; s/localhost:4191/@api/g' -e "s#@github#${github#http://}#g; s#@api#${api#http://}#g" \
  examples/outside-issuer/seed.json >"$work/seed.json"
start github "$programs/outside-issuer" --listen "${github#http://}"
start api "$programs/resource-server" --issuer "$issuer" --audience "$api" --listen "${api#http://}"
# GitHub's keys are at a public name; those of the stand-in are not, so its address is allowed.
start latchkey env PORT="${issuer##*:}" ISSUER= STATE="$work/state" SEED="$work/seed.json" OUTBOUND_ALLOW="${github#http://}" \
  node tools/serve.mjs
ready github "ready $github"
ready api "resource-server: listening on $api"
ready latchkey "ready $issuer"

# --- Small tools -------------------------------------------------------------------------------------------------
step() { printf '\n== %s\n' "$*"; }
# ask ARGUMENTS: curl; the body goes to standard output and the status into a file.
ask() { curl -sS --noproxy '*' -o "$work/body" -w '%{http_code}' "$@" >"$work/status" && cat "$work/body"; }
# expect STATUS [ERROR]: what the last answer must have been.
expect() {
  local status error
  status=$(cat "$work/status")
  error=$(json 'it.error ?? ""' <"$work/body")
  [ "$status $error" = "$1 ${2:-}" ] || die "this should have been ${*}, and was $status: $(cat "$work/body")"
}
# json EXPRESSION: its value, of the JSON `it` on standard input.
json() {
  node -e 'const it = JSON.parse(require("fs").readFileSync(0, "utf8") || "{}");
    const value = eval(process.argv[1]);
    console.log(typeof value === "string" ? value : JSON.stringify(value, null, 2));' "$1"
}
# The claims of a token. It is only looked at here; who takes it checks it.
claims() { cut -d. -f2 <<<"$1" | node -e 'console.log(Buffer.from(require("fs").readFileSync(0, "utf8"), "base64url").toString())' | json it; }
# job_token QUERY: what a job of that repository gets from its platform.
job_token() { ask -H "Authorization: bearer $ACTIONS_ID_TOKEN_REQUEST_TOKEN" "$ACTIONS_ID_TOKEN_REQUEST_URL$1&audience=$issuer" | json it.value; }
# trade TOKEN: the exchange, as the workflow does it.
trade() {
  ask "$issuer/token" \
    --data-urlencode grant_type=urn:ietf:params:oauth:grant-type:token-exchange \
    --data-urlencode subject_token_type=urn:ietf:params:oauth:token-type:jwt \
    --data-urlencode "subject_token=$1" \
    --data-urlencode "resource=$api"
}

# A runner sets these two for a job with `permissions: id-token: write`. There the address names the job.
ACTIONS_ID_TOKEN_REQUEST_URL=$github/job?run_id=1
ACTIONS_ID_TOKEN_REQUEST_TOKEN=of-the-job

# --- The walkthrough ---------------------------------------------------------------------------------------------
step "1. A job of acme/app, on main, asks its platform for a token for $issuer"
job=$(job_token "&repository=acme/app&ref=refs/heads/main")
expect 200
claims "$job"

step "2. It trades that for one of ours: no secret is stored anywhere"
token=$(trade "$job" | json 'it.access_token ?? ""')
expect 200
json '({ ...it, access_token: "..." })' <"$work/body"
claims "$token"

step "3. It uses it"
ask -H "Authorization: Bearer $token" -H 'Content-Type: application/json' -d '{"text": "acme/app was deployed"}' "$api/records" | json it
expect 201
ask -H "Authorization: Bearer $token" "$api/caller" | json it
expect 200

step "4. The same job token a second time: it is for single use"
trade "$job" | json it
expect 400 invalid_request

step "5. Another repository of the same owner, and another branch"
other=$(job_token "&repository=acme/other&ref=refs/heads/main")
trade "$other" | json it
expect 400 invalid_request
trade "$(job_token "&repository=acme/app&ref=refs/heads/try-me")" | json it
expect 400 invalid_request

step "6. The operator asks why the other repository was refused"
operator=$(ask "$issuer/token" -u demo-operator:demo-operator-secret-0123456789abcdef -d grant_type=client_credentials -d scope=latchkey:admin |
  json it.access_token)
expect 200
node -p 'JSON.stringify({ token: process.argv[1] })' "$other" |
  ask -H "Authorization: Bearer $operator" -H 'Content-Type: application/json' -d @- "$issuer/admin/trust/explain" |
  json '({ ...it, checks: it.checks.filter((c) => !c.ok), rules: it.rules.map((r) => ({ rule: r.rule, ok: r.ok, checks: r.checks.filter((c) => !c.ok) })) })'
expect 200
[ "$(json '`${it.known} ${it.accepted} ${it.rules[0].checks.filter((c) => !c.ok).map((c) => c.about)}`' <"$work/body")" = "true false repository" ] ||
  die "the repository should have been the reason: $(cat "$work/body")"

step "All as it should be"
