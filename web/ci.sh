#!/usr/bin/env bash
# Everything about the pages: their sources, their builds, and each in a real browser before a real
# lb (LB_BIN, or the release build), a real controller and agents (LB_CONTROLLER_BINS, a folder, or
# the debug build). Installs what is missing: Node.js, Chromium, packages.
set -euo pipefail
# As it is from where this is called.
[[ -z ${LB_BIN:-} ]] || LB_BIN=$(realpath -- "$LB_BIN")
[[ -z ${LB_CONTROLLER_BINS:-} ]] || LB_CONTROLLER_BINS=$(realpath -- "$LB_CONTROLLER_BINS")
cd "$(dirname "${BASH_SOURCE[0]}")"

fail() {
    echo "web/ci.sh: $*" >&2
    exit 1
}

missing=()
command -v node >/dev/null && command -v npm >/dev/null || missing+=(nodejs npm)
[[ -x ${CHROMIUM:-/usr/bin/chromium} ]] || missing+=(chromium)
if ((${#missing[@]} > 0)); then
    if ! command -v apt-get >/dev/null || ((EUID != 0)); then
        fail "missing: ${missing[*]}; install them, or run this as root on Debian"
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update --quiet
    apt-get install --quiet --yes --no-install-recommends "${missing[@]}"
fi
lb=${LB_BIN:-../${CARGO_TARGET_DIR:-target}/release/lb}
[[ -x $lb ]] || fail "$lb is no program: run cargo build --release first"
LB_BIN=$(realpath "$lb")
bins=$(realpath "${LB_CONTROLLER_BINS:-../${CARGO_TARGET_DIR:-target}/debug}")
for program in lb-controller lb-agent pi-backend; do
    [[ -x $bins/$program ]] ||
        fail "$bins/$program is no program: run cargo build --package lb-controller --package pi-backend first"
done
LB_CONTROLLER_BINS=$bins
export LB_BIN LB_CONTROLLER_BINS
./check.sh
npm run --silent e2e
