#!/usr/bin/env bash
# What `cargo test -p lb-broker` does not need: the Python package, its types and examples, and a
# short run of the comparison with other brokers. Runs from any folder, in about 90 seconds.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec </dev/null

# Debian puts servers where the shells of users do not look.
PATH=$PATH:/usr/sbin:${CARGO_HOME:-$HOME/.cargo}/bin
folder=$(mktemp --directory)
step=start
is_done=false

fail() {
    echo "broker/ci.sh: $*" >&2
    exit 1
}

# shellcheck disable=SC2317 # called by the trap
finish() {
    local status=$?
    rm -rf "$folder"
    if ((status == 0)) && "$is_done"; then
        echo "broker/ci.sh: passed, after $SECONDS s"
    else
        echo "broker/ci.sh: FAILED at $step, after $SECONDS s" >&2
    fi
}
trap finish EXIT
trap 'exit 1' INT TERM

step=tools
missing=()
for tool in mosquitto redis-server nats-server python3 shellcheck taskset; do
    command -v "$tool" >/dev/null || missing+=("$tool")
done
if ((${#missing[@]} > 0)); then
    if ((EUID != 0)) || ! command -v apt-get >/dev/null; then
        fail "missing: ${missing[*]}; install them, or run this as root on Debian"
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update --quiet --quiet
    # Their services are not wanted, only the programs.
    printf '#!/bin/sh\nexit 101\n' >"$folder/policy"
    chmod +x "$folder/policy"
    [[ -e /usr/sbin/policy-rc.d ]] || cp "$folder/policy" /usr/sbin/policy-rc.d
    apt-get install --quiet --quiet --yes --no-install-recommends "${missing[@]/%taskset/util-linux}"
    cmp --silent "$folder/policy" /usr/sbin/policy-rc.d && rm /usr/sbin/policy-rc.d
fi
python=python3
if ! python3 -c 'import pytest, mypy' 2>/dev/null; then
    python3 -m venv "$folder/venv" || fail "python3 -m venv does not work: install python3-venv, or pytest and mypy"
    python=$folder/venv/bin/python
    "$python" -m pip install --quiet pytest mypy
fi

step=scripts
shellcheck broker/ci.sh

step=build
cargo build --quiet --package lb-broker --locked
LB_BROKER_BIN=$(realpath "${CARGO_TARGET_DIR:-target}/debug/lb-broker")
export LB_BROKER_BIN

step=pytest
(cd broker/python && timeout 120 "$python" -m pytest --quiet -p no:cacheprovider)

step=mypy
(cd broker/python && timeout 120 "$python" -m mypy --strict --cache-dir "$folder/mypy")

step='comparison with other brokers'
timeout 60 "$python" broker/benches/versus.py --lb "$LB_BROKER_BIN" --seconds 0.1 --rounds 1 --sizes 128
is_done=true
