#!/usr/bin/env bash
# Checks the Python package against a real broker: tests (the nine pairs of formats and both example
# programs among them) and types. Everything else is `cargo test -p lb-broker`.
#
#   broker/ci.sh                                             builds the broker first
#   LB_BROKER_BIN=target/release/lb-broker broker/ci.sh      tests this one
#
# Needs Python 3.9 with venv, which is installed where apt is there and we may. pytest and mypy go
# into an environment below the target directory, made once.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec </dev/null

# Time for all checks together; they take about a third of it on an idle machine of two cores.
limit_s=85

target=$(realpath --canonicalize-missing "${CARGO_TARGET_DIR:-target}")
environment=$target/broker-python
PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
step=start

fail() {
    echo "broker/ci.sh: $*" >&2
    exit 1
}

# shellcheck disable=SC2317 # called by the trap
finish() {
    local status=$?
    if ((status == 0)); then
        echo "broker/ci.sh: passed, after $SECONDS s"
    else
        echo "broker/ci.sh: $step failed, after $SECONDS s" >&2
    fi
}
trap finish EXIT
trap 'exit 1' INT TERM

# Debian has ensurepip, and with it a venv that works, in a package of its own.
python() {
    python3 -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null && return
    if ((EUID != 0)) || ! command -v apt-get >/dev/null; then
        fail "Python 3.9 with venv is missing: install python3-venv, or run this as root on Debian"
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update --quiet --quiet
    apt-get install --quiet --quiet --yes --no-install-recommends python3 python3-venv
}

packages() {
    "$environment/bin/python" -c 'import pytest, mypy' 2>/dev/null && return
    rm -rf "$environment"
    python3 -m venv "$environment"
    timeout 300 "$environment/bin/python" -m pip install --quiet --disable-pip-version-check \
        pytest mypy
}

broker() {
    if [[ -z ${LB_BROKER_BIN:-} ]]; then
        cargo build --package lb-broker --bin lb-broker --locked
        LB_BROKER_BIN=$target/debug/lb-broker
    fi
    [[ -x $LB_BROKER_BIN ]] || fail "LB_BROKER_BIN=$LB_BROKER_BIN is no program"
    LB_BROKER_BIN=$(realpath "$LB_BROKER_BIN")
    export LB_BROKER_BIN
}

# check NAME COMMAND...: runs it within what is left of the limit, children and all.
check() {
    local left=$((checks_end - SECONDS)) status=0
    step=$1
    shift
    echo "-- $step"
    ((left > 0)) || fail "no time is left of $limit_s s"
    (cd broker/python && timeout --kill-after=5 "$left" "$@") || status=$?
    ((status != 124)) || fail "$step is not done within $limit_s s"
    return "$status"
}

step=python
python
step=packages
packages
step=build
broker
checks_end=$((SECONDS + limit_s))
check types "$environment/bin/python" -m mypy --strict --cache-dir "$target/broker-mypy"
check tests "$environment/bin/python" -m pytest --quiet -p no:cacheprovider --durations=3
