#!/usr/bin/env bash
# What `cargo test` leaves out. Runs from any folder; installs what is missing where it may.
#
#     controller/ci.sh [peers] [kafka] [docker] [faults]
#
# peers: a foreign gRPC peer both ways, in under two minutes once all is built. kafka: the status
# bus over three brokers that go down, are slow and replay an hour, in two minutes.
# docker: containers of an engine of its own, behind lb, in three minutes. faults: a thousand
# seeds of random faults, a crash at every named place of the real binary, and a thousand agents.
# All by default. LB_CONTROLLER_BINS is the folder of programs that are built already. A part whose
# peer cannot be had is skipped with the reason, or fails if CI is set.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec </dev/null

work=$(mktemp -d)
bins=${LB_CONTROLLER_BINS:-${CARGO_TARGET_DIR:-target}/debug}
controller=
agent=

fail() {
    echo "controller/ci.sh: $*" >&2
    [[ ! -f $work/controller.log ]] || tail -40 "$work/controller.log" >&2
    exit 1
}

# shellcheck disable=SC2317 # called by the trap
finish() {
    local file pid
    [[ -z $controller ]] || kill "$controller" 2>/dev/null || true
    [[ -z $agent ]] || kill "$agent" 2>/dev/null || true
    for file in "$work"/{,kafka/}fleet-state/run/*/agent.json; do
        [[ -f $file ]] || continue
        pid=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["pid"])' "$file")
        kill "$pid" 2>/dev/null || true
    done
    sleep 0.5
    rm -rf "$work"
}
trap finish EXIT

# A peer is missing: the part is left out, but never in CI.
missing() {
    [[ -z ${CI:-} ]] || fail "$*"
    echo "controller/ci.sh: skipped: $*"
}

# A Python environment with these packages.
python_with() {
    if ! python3 -c 'import venv, ensurepip' 2>/dev/null; then
        if ((EUID != 0)) || ! command -v apt-get >/dev/null; then
            fail "python3-venv is missing"
        fi
        DEBIAN_FRONTEND=noninteractive apt-get install --quiet --yes --no-install-recommends \
            python3-venv ca-certificates >/dev/null
    fi
    python3 -m venv "$work/venv"
    "$work/venv/bin/pip" install --quiet --disable-pip-version-check "$@"
}

programs() {
    [[ -n ${LB_CONTROLLER_BINS:-} ]] ||
        cargo build --quiet --locked --package lb-controller --bins
}

# Ports that are free now: so many, one after the other.
free_ports() {
    python3 - "$1" <<'PY'
import socket, sys
count = int(sys.argv[1])
while True:
    with socket.socket() as first:
        first.bind(("127.0.0.1", 0))
        port = first.getsockname()[1]
    if port + count > 65535:
        continue
    try:
        for nth in range(count):
            with socket.socket() as probe:
                probe.bind(("0.0.0.0", port + nth))
    except OSError:
        continue
    print(port)
    break
PY
}

field() {
    curl --silent --max-time 5 "http://$1$2" | python3 -c "
import json, sys
it = json.load(sys.stdin)
print($3)"
}

# wait_for SECONDS WHAT COMMAND...
wait_for() {
    local deadline=$((SECONDS + $1)) what=$2
    shift 2
    until "$@"; do
        ((SECONDS < deadline)) || fail "not in time: $what"
        sleep 0.3
    done
}

wants() {
    [[ $(field "$listen" /v1/services 'it["services"][0]["want"]') == "$1" ]]
}

serves() {
    [[ $(field "$listen" /v1/services 'it["services"][0]["serving"]') == "$1" ]]
}

# Servers of existing fleets, in Python: registered by onConnect, watched by ping, scaled by load.
compatible() {
    local port listen compat agent_port ports id
    port=$(free_ports 20)
    listen=127.0.0.1:$port compat=127.0.0.1:$((port + 1)) agent_port=$((port + 2)) ports=$((port + 4))
    echo 0.0 >"$work/load"
    cat >"$work/fleet.toml" <<TOML
[controller]
listen = "$listen"
compat_listen = "$compat"
compat_agent_port = $agent_port
[service.old]
command = ["$work/start", "{token}", "{port}"]
ports = "$ports-$((ports + 15))"
check = "announced"
servers = { min = 1, desired = 1, max = 3 }
scale = { policy = "mean-load", threshold = 0.6 }
TOML
    # Each server answers pings at an address of its own, all at the one port.
    cat >"$work/start" <<SH
#!/bin/sh
host=127.0.2.\$((\$2 - $ports + 1))
exec "$work/venv/bin/python" "$work/compat.py" serve $compat "\$1" "\$host" $agent_port "\$2" "$work/load"
SH
    chmod +x "$work/start"
    "$bins/lb-controller" run "$work/fleet.toml" >"$work/controller.log" 2>&1 &
    controller=$!
    wait_for 20 'one serves' serves 1
    "$work/venv/bin/python" "$work/compat.py" strangers "$compat"
    sleep 11
    # A load of 0.0, which proto3 leaves out, is a load: nothing is stopped for it.
    serves 1 || fail "a load of 0.0 counts as dead"
    [[ $(field "$listen" /v1/servers 'it["servers"][0]["load"]') == 0.0 ]] || fail "the load is not 0.0"
    echo 0.6 >"$work/load"
    wait_for 30 'at the threshold one more' wants 2
    wait_for 30 'and at the maximum no more' serves 3
    sleep 11
    wants 3 || fail "more than the maximum"
    echo 0.59 >"$work/load"
    wait_for 60 'below the threshold down to desired' wants 1
    [[ $(curl --silent --max-time 5 "http://$compat/servers/") == *instance_id* ]] ||
        fail "no list of servers"
    id=$(field "$listen" /v1/servers 'it["servers"][0]["incarnation"]')
    [[ $id == 1 ]] || fail "a server was restarted"
    echo 'foreign gRPC peer: registered, watched, scaled'
}

# The other way: our agent, watched by a monitor in Python.
watched() {
    local port monitor
    port=$(free_ports 2)
    monitor=127.0.0.1:$port
    "$bins/lb-agent" --compat-listen "127.0.2.99:$((port + 1))" --announce "$monitor" \
        --name i-0123 --load slider >"$work/agent.log" 2>&1 &
    agent=$!
    timeout 60 "$work/venv/bin/python" "$work/compat.py" monitor "$monitor" "$((port + 1))" || {
        cat "$work/agent.log" >&2
        fail "the agent is not as a foreign monitor expects it"
    }
}

peers() {
    python_with grpcio grpcio-tools || fail "grpcio cannot be installed"
    cp controller/tests/peers/compat.py "$work"
    (cd controller/proto && "$work/venv/bin/python" -m grpc_tools.protoc -I. --python_out="$work" \
        --grpc_python_out="$work" s1_heartbeat.proto s1_connection.proto)
    programs
    watched
    compatible
}

kafka() {
    if ! python_with confluent-kafka; then
        missing "kafka: confluent-kafka, whose mock cluster is the peer, cannot be installed"
        return
    fi
    programs
    mkdir "$work/kafka"
    timeout 300 "$work/venv/bin/python" controller/tests/peers/kafka.py "$bins" "$work/kafka" ||
        fail "the status bus is not as it should be"
}

docker() {
    local tool
    if ((EUID == 0)) && command -v apt-get >/dev/null && ! command -v dockerd >/dev/null; then
        apt-get update --quiet >/dev/null || true
        DEBIAN_FRONTEND=noninteractive apt-get install --quiet --yes --no-install-recommends \
            docker.io iptables >/dev/null || true
    fi
    for tool in dockerd containerd runc ip unshare cc; do
        command -v "$tool" >/dev/null || {
            missing "docker: there is no $tool"
            return
        }
    done
    if ! unshare --net true 2>/dev/null; then
        missing "docker: a network namespace cannot be made: run it as root"
        return
    fi
    programs
    [[ -n ${LB_CONTROLLER_BINS:-} ]] || cargo build --quiet --locked --package lb --bins
    mkdir "$work/docker"
    timeout 400 controller/tests/peers/dockerd.sh "$work/docker" python3 \
        controller/tests/peers/docker.py "$bins" "$work/docker" ||
        fail "containers are not as they should be"
}

faults() {
    LB_SEEDS=${LB_SEEDS:-1000} timeout 900 \
        cargo test --quiet --locked --package lb-controller --lib -- fleet::tests::crash
    LB_FAILPOINTS=all timeout 900 \
        cargo test --quiet --locked --package lb-controller --test end_to_end -- crash_at_each
    timeout 600 cargo test --locked --package lb-controller --test end_to_end -- --ignored \
        --nocapture a_thousand_agents
}

command -v cargo >/dev/null || PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
(($# > 0)) || set -- peers kafka docker faults
for part; do
    case $part in
        peers | kafka | docker | faults)
            started=$SECONDS
            "$part"
            echo "controller/ci.sh: $part took $((SECONDS - started)) s"
            ;;
        *) fail "there is no part $part: peers, kafka, docker, faults" ;;
    esac
done
echo 'controller/ci.sh: all is well'
