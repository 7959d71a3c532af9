#!/usr/bin/env bash
# Checks the ring of the course with real processes: five nodes of ours and three Python peers on
# their fixed ports, then a node that is killed. Everything else is `cargo test -p lb-chord`.
#
#   chord/ci.sh                                           builds the node first
#   LB_CHORD_BIN=target/release/lb-chord chord/ci.sh      tests this one
#
# The ports are those of a network namespace of its own, where the kernel lets us have one; if not,
# they have to be free on this machine. Needs Python 3.9 and unshare (util-linux).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec </dev/null

# A ring has 15 s to settle; on a machine that does other things besides, twice that. The times that
# it took are printed.
patience=2
# Time for all scenarios together; they take about half of it on an idle machine of two cores.
limit_s=85

target=$(realpath --canonicalize-missing "${CARGO_TARGET_DIR:-target}")
PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
logs=

fail() {
    echo "chord/ci.sh: $*" >&2
    exit 1
}

# shellcheck disable=SC2317 # called by the trap
finish() {
    local status=$?
    if ((status == 0)); then
        rm -rf "$logs"
        echo "chord/ci.sh: passed, after $SECONDS s"
    else
        echo "chord/ci.sh: failed, after $SECONDS s${logs:+; what nodes said is in $logs}" >&2
    fi
}
trap finish EXIT
trap 'exit 1' INT TERM

command -v python3 >/dev/null || fail "python3 is missing"
if [[ -z ${LB_CHORD_BIN:-} ]]; then
    cargo build --package lb-chord --bin lb-chord --locked
    LB_CHORD_BIN=$target/debug/lb-chord
fi
[[ -x $LB_CHORD_BIN ]] || fail "LB_CHORD_BIN=$LB_CHORD_BIN is no program"
logs=$(mktemp -d)

alone=()
if unshare --user --map-root-user --net true 2>/dev/null; then
    alone=(unshare --user --map-root-user --net)
elif unshare --net true 2>/dev/null; then
    alone=(unshare --net)
else
    echo "chord/ci.sh: no network namespace to be had; ports 3000, 4000, 5000-5004, 6000 are taken"
fi
status=0
timeout --kill-after=5 "$limit_s" "${alone[@]}" python3 chord/tests/ring.py "$LB_CHORD_BIN" \
    --logs "$logs" --patience "$patience" --kills 1 mixed kill || status=$?
((status != 124)) || fail "not done within $limit_s s"
exit "$status"
