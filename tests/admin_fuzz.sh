#!/usr/bin/env bash
# Puts the description of the admin interface (docs/admin.openapi.json) and a real lb against each other
# with schemathesis: no status of 500 or more but 503, none that is not described, every body as described.
#
# LB_BIN names the binary; without it the debug build is taken. VENV is a folder for schemathesis, kept
# between runs. With CI set a missing python3 fails, without it the check is skipped.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

lb=$(realpath -- "${LB_BIN:-${CARGO_TARGET_DIR:-target}/debug/lb}")
venv=${VENV:-${TMPDIR:-/tmp}/lb-schemathesis}
examples=${EXAMPLES:-15}
seed=${SEED:-1}
work=$(mktemp -d)
pid=

finish() {
    [[ -z $pid ]] || kill "$pid" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

if ! python3 -c 'import venv, ensurepip' 2>/dev/null; then
    [[ -z ${CI:-} ]] || { echo "admin_fuzz: python3 with venv is missing" >&2; exit 1; }
    echo "admin_fuzz: skipped, python3 with venv is missing"
    exit 0
fi
if [[ ! -x $venv/bin/schemathesis ]]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet 'schemathesis>=4,<5'
fi

cat >"$work/lb.toml" <<'TOML'
[[listener]]
listen = ["127.0.0.1:0"]

[pool.default]
backends = ["127.0.0.1:9", "127.0.0.2:9"]
health = "none"
TOML
# Half of the requests are about what is there.
cat >"$work/schemathesis.toml" <<'TOML'
[parameters]
"path.pool" = "default"
"path.owner" = "fleet"
TOML
"$lb" --config "$work/lb.toml" --admin 127.0.0.1:0 --workers 2 >"$work/out" 2>"$work/err" &
pid=$!

# Waits for the line with the address, not for a time.
deadline=$((SECONDS + 20))
until admin=$(grep -o 'http://127[^/]*' "$work/err" 2>/dev/null); do
    kill -0 "$pid" 2>/dev/null || { cat "$work/err" >&2; exit 1; }
    ((SECONDS < deadline)) || { echo "admin_fuzz: no admin interface" >&2; exit 1; }
    sleep 0.05
done

set='{"fleet": "f", "term": 0, "revision": 0, "backends": [{"name": "b", "address": "127.0.0.3:9"}]}'
"$lb" ctl --admin "$admin" set put fleet - <<<"$set"

# Streams have no end, and have tests of their own.
description=$PWD/docs/admin.openapi.json
cd "$work"
timeout 300 "$venv/bin/schemathesis" --config-file schemathesis.toml run "$description" --url "$admin" \
    --exclude-path /v1/events --exclude-path /v1/live \
    --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,response_headers_conformance \
    --max-examples "$examples" --seed "$seed" --phases examples,coverage,fuzzing,stateful \
    --workers 2 --request-timeout 10 --generation-database none --no-color

kill -0 "$pid" 2>/dev/null || { echo "admin_fuzz: lb has ended" >&2; cat "$work/err" >&2; exit 1; }
"$lb" ctl --admin "$admin" workers
echo "admin_fuzz: the admin interface does as it is described"
