#!/usr/bin/env bash
# Builds everything, starts Pi backends and lb in front of them, and stops them all at the end.
# It ends only what it started, by process id.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: ./setup.sh [--fleet|--tls] [N_BACKENDS] [STRATEGY]

Builds lb and the Pi backends, starts N_BACKENDS backends (4) on ports 5000, 5001, ... and lb on
port 8080 with STRATEGY (least-rt). Ctrl-C stops everything.

With --tls lb also speaks TLS on port 8443, with a certificate of a local authority that openssl makes in
target/tls and that is kept for the next time.

With --fleet a controller starts lb and the backends instead. It starts those again that die or
hang, and keeps between 2 and twice N_BACKENDS of them as the load needs.

Environment:
  BASE_PORT  port of the first backend (5000)
  LB_PORT    port of lb (8080)
  TLS_PORT   port of lb for TLS (8443), with --tls
  TERM_US    what one term of Pi costs a backend, in microseconds (1000; with --fleet 100)
  LB_ARGS    more arguments for lb, split at blanks, such as "--access-log text"
  LB_BIN     another lb to start; only the backends are built then
  ADMIN_PORT port of lb's admin interface and dashboard (9090, or a free one if that is in use)
  FLEET_PORT port of the controller (9091), with --fleet
TEXT
}

fail() {
    echo "setup.sh: $*" >&2
    exit 1
}

# whole NAME VALUE MIN MAX: fails unless VALUE is a whole number within the limits.
whole() {
    if ! [[ $2 =~ ^(0|[1-9][0-9]{0,8})$ ]] || (($2 < $3 || $2 > $4)); then
        fail "$1 is a whole number from $3 to $4, not \"$2\" (see --help)"
    fi
}

if [[ ${1:-} == -h || ${1:-} == --help ]]; then
    usage
    exit
fi
fleet=
tls=
if [[ ${1:-} == --fleet ]]; then
    fleet=yes
    shift
elif [[ ${1:-} == --tls ]]; then
    tls=yes
    shift
fi
(($# <= 2)) || fail "at most two arguments, not $# (see --help)"
backends=${1:-4}
strategy=${2:-least-rt}
base_port=${BASE_PORT:-5000}
lb_port=${LB_PORT:-8080}
# Long requests one after the other make a check wait, and a busy backend look like one that hangs.
term_us=${TERM_US:-$([[ -n $fleet ]] && echo 100 || echo 1000)}
admin_port=${ADMIN_PORT:-9090}
fleet_port=${FLEET_PORT:-9091}
tls_port=${TLS_PORT:-8443}
whole N_BACKENDS "$backends" 1 64
# A fleet grows to twice as many, and needs one port more to replace one.
ports=$backends
[[ -z $fleet ]] || ports=$((2 * backends + 1))
whole BASE_PORT "$base_port" 1 $((65536 - ports))
whole LB_PORT "$lb_port" 1 65535
whole ADMIN_PORT "$admin_port" 1 65535
whole FLEET_PORT "$fleet_port" 1 65535
whole TLS_PORT "$tls_port" 1 65535
whole TERM_US "$term_us" 0 1000000
# Which strategies there are is lb's to say; this only keeps flags and blanks out.
[[ $strategy =~ ^[A-Za-z][A-Za-z0-9:_-]*$ ]] || fail "STRATEGY is a name such as least-rt, not \"$strategy\""
for own in "LB_PORT $lb_port" ${ADMIN_PORT:+"ADMIN_PORT $admin_port"}; do
    ((${own#* } < base_port || ${own#* } >= base_port + ports)) ||
        fail "$own is one of the backends' ports, $base_port to $((base_port + ports - 1))"
done

cd "$(dirname "${BASH_SOURCE[0]}")"
bin=${CARGO_TARGET_DIR:-target}/release
lb=${LB_BIN:-$bin/lb}
# What the controller remembers; servers that it finds alive are adopted.
state=${CARGO_TARGET_DIR:-target}/fleet
# The local authority and the certificate that it has signed.
authority=${CARGO_TARGET_DIR:-target}/tls

build() {
    [[ -z ${LB_BIN:-} || -x $LB_BIN ]] || fail "LB_BIN is no program: $LB_BIN"
    command -v cargo >/dev/null ||
        fail "cargo is missing: install Rust from https://rustup.rs and run this again"
    local packages=(--package pi-backend)
    [[ -n ${LB_BIN:-} ]] || packages+=(--package lb)
    [[ -z $fleet ]] || packages+=(--package lb-controller)
    cargo build --release "${packages[@]}" --bins || fail "the build failed"
}

# A local authority, and a certificate for this machine, made once.
certificates() {
    [[ ! -f $authority/lb.pem ]] || return 0
    command -v openssl >/dev/null || fail "openssl is missing, which makes the certificate"
    mkdir -p "$authority"
    local key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes) log=$authority/openssl.log
    {
        openssl req -x509 "${key[@]}" -keyout "$authority/ca.key" -out "$authority/ca.pem" \
            -days 825 -subj "/CN=lb local authority" -addext keyUsage=critical,keyCertSign
        openssl req "${key[@]}" -keyout "$authority/lb.key" -out "$authority/lb.csr" -subj /CN=localhost
        openssl x509 -req -in "$authority/lb.csr" -CA "$authority/ca.pem" -CAkey "$authority/ca.key" \
            -CAcreateserial -days 825 -out "$authority/new.pem" \
            -extfile <(echo 'subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1')
        mv "$authority/new.pem" "$authority/lb.pem"
    } >"$log" 2>&1 || fail "openssl could not make a certificate: see $log"
}

# Whether everything that the controller started has ended.
fleet_is_gone=
# The started parts: process ids, and a name for each.
pids=()
names=()

start() {
    local name=$1
    shift
    "$@" &
    pids+=($!)
    names+=("$name")
}

# By the shell's own list of children, so a process id that was reused is never taken for ours.
running() {
    [[ $'\n'$(jobs -pr)$'\n' == *$'\n'$1$'\n'* ]]
}

# shellcheck disable=SC2317 # called by the trap
signal_all() {
    local pid
    for pid in $(jobs -pr); do
        kill "-$1" "$pid" 2>/dev/null || true
    done
}

# shellcheck disable=SC2317 # called by the trap
stop() {
    trap '' INT TERM
    [[ -z $fleet ]] || stop_fleet
    signal_all TERM
    # lb finishes what it has begun; five seconds are enough for that.
    for ((tenths = 0; tenths < 50; tenths++)); do
        [[ -n $(jobs -pr) ]] || break
        sleep 0.1
    done
    signal_all KILL
    wait 2>/dev/null || true
    [[ -z $fleet_is_gone ]] || rm -rf "$state"
    ((${#pids[@]} == 0)) || echo "setup.sh: stopped."
}

listening() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# Succeeds if GET /ping on the port gives 200 within a second. Needs no curl.
answers() {
    (
        exec 3<>"/dev/tcp/127.0.0.1/$1"
        printf 'GET /ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
        read -r -t 1 line <&3
        [[ $line == 'HTTP/1.'?' 200'* ]]
    ) 2>/dev/null
}

# await NAME PID PORT: returns when the part answers, fails when it ends or takes too long.
await() {
    local deadline=$((SECONDS + 10))
    until answers "$3"; do
        running "$2" || fail "$1 did not start on port $3; its message is above"
        ((SECONDS < deadline)) || fail "$1 does not answer GET /ping on port $3"
        sleep 0.05
    done
}

start_backends() {
    local port
    addresses=
    for ((port = base_port; port < base_port + backends; port++)); do
        start "pi-$port" "$bin/pi-backend" --port "$port" --term-us "$term_us"
        addresses+=${addresses:+,}127.0.0.1:$port
    done
    for ((port = base_port; port < base_port + backends; port++)); do
        await "pi-$port" "${pids[port - base_port]}" "$port"
    done
}

start_lb() {
    local more=()
    read -ra more <<<"${LB_ARGS:-}"
    [[ " ${more[*]:-} " == *" --access-log"* ]] || more+=(--access-log off)
    [[ -n $dashboard ]] || more+=(--admin "127.0.0.1:$admin_port")
    [[ -z $tls ]] || more+=(--listen "tls+127.0.0.1:$tls_port" --tls-cert "$authority/lb.pem"
        --tls-key "$authority/lb.key")
    start lb "$lb" --listen "127.0.0.1:$lb_port" --strategy "$strategy" --backends "$addresses" \
        "${more[@]}"
    lb_pid=${pids[${#pids[@]} - 1]}
    await lb "$lb_pid" "$lb_port"
}

# The controller starts everything else, and what it started outlives it: see stop_fleet.
start_fleet() {
    local folder more=()
    read -ra more <<<"${LB_ARGS:-}"
    # A connection is accepted for a server that hangs, too.
    [[ " ${more[*]:-} " == *" --health"* ]] || more+=(--health http)
    folder=$(realpath "$bin")
    mkdir -p "$state"
    cat >"$state/fleet.toml" <<TOML
# Written by setup.sh: what the controller keeps running.
[controller]
listen = "127.0.0.1:$fleet_port"
lbs = ["http://127.0.0.1:$admin_port"]

[service.lb]
command = [$(list "$(realpath "$lb")" --listen "127.0.0.1:$lb_port" --admin '{host}:{port}' \
        --state lb.state --strategy "$strategy" --quiet "${more[@]}")]
directory = "."
ports = "$admin_port"
check = "/healthz"
singleton = true

[service.web]
command = [$(list "$folder/pi-backend" --port '{port}' --term-us "$term_us")]
ports = "$base_port-$((base_port + ports - 1))"
check = "/ping"
pool = "default"
servers = { min = $((backends < 2 ? backends : 2)), desired = $backends, max = $((2 * backends)) }
scale = { policy = "tracking", concurrency = 1 }
drain_timeout = 10
TOML
    # In a session of its own: Ctrl-C is for this script, which then stops the fleet through it.
    start lb-controller setsid "$bin/lb-controller" run "$state/fleet.toml"
    lb_pid=${pids[0]}
    local deadline=$((SECONDS + 30))
    until answers "$lb_port"; do
        running "$lb_pid" || fail "lb-controller did not start; its message is above"
        ((SECONDS < deadline)) || fail "nothing answers at port $lb_port: see $state"
        sleep 0.1
    done
}

# Where lb's dashboard is. Of a port that the system chose, lb's own line above tells.
dashboard_link() {
    if ((admin_port == 0)); then
        echo "where lb says above"
    else
        echo "http://localhost:$admin_port/"
    fi
}

# Where lb speaks TLS, and by which authority.
tls_link() {
    [[ -n $tls ]] || return 0
    echo "  Over TLS       curl -i --cacert $authority/ca.pem https://localhost:$tls_port/100"
    echo
}

# list WORD...: the words as strings of TOML.
list() {
    local word words=
    for word; do
        word=${word//\\/\\\\}
        words+=${words:+, }\"${word//\"/\\\"}\"
    done
    printf '%s' "$words"
}

# shellcheck disable=SC2317 # called by what the trap calls
ctl() {
    "$bin/lb-controller" ctl --controller "127.0.0.1:$fleet_port" "$@"
}

# Backends first, while lb is there to say when they are empty.
# shellcheck disable=SC2317 # called by the trap
stop_fleet() {
    ctl stop web >/dev/null 2>&1 || true
    gone web || return 0
    ctl stop lb >/dev/null 2>&1 || true
    ! gone lb || fleet_is_gone=yes
}

# gone SERVICE: waits until it has no server left.
# shellcheck disable=SC2317 # called by what the trap calls
gone() {
    local status
    for ((tenths = 0; tenths < 150; tenths++)); do
        if status=$(ctl status 2>/dev/null) && [[ $status != *" $1-"[0-9]* ]]; then
            return 0
        fi
        sleep 0.1
    done
    return 1
}

# Until lb ends. A backend may be ended by hand, to see what lb makes of it.
watch() {
    local part
    while running "$lb_pid"; do
        for part in "${!pids[@]}"; do
            if ! running "${pids[part]}" && [[ ${pids[part]} != "$lb_pid" ]]; then
                echo "setup.sh: ${names[part]} has ended; the rest goes on"
                unset "pids[part]"
            fi
        done
        sleep 0.5
    done
    fail "$([[ -n $fleet ]] && echo lb-controller || echo lb) has ended"
}

build
for ((port = base_port; port < base_port + ports; port++)); do
    ! listening "$port" || fail "port $port is in use (set BASE_PORT to start elsewhere)"
done
! listening "$lb_port" || fail "port $lb_port is in use (set LB_PORT for another)"
if [[ -n $tls ]]; then
    ! listening "$tls_port" || fail "port $tls_port is in use (set TLS_PORT for another)"
    certificates
fi
# Another admin address may be among the arguments for lb.
dashboard=
[[ " ${LB_ARGS:-} " != *" --admin"[\ =]* ]] || dashboard="where LB_ARGS say"
admin_port_is_taken() {
    ((admin_port == lb_port)) && return
    ((admin_port >= base_port && admin_port < base_port + ports)) && return
    listening "$admin_port"
}
if [[ -z $dashboard ]] && admin_port_is_taken; then
    [[ -z ${ADMIN_PORT:-}$fleet ]] ||
        fail "port $admin_port is in use (set ADMIN_PORT for another)"
    # None was asked for: any will do.
    admin_port=0
fi
if [[ -n $fleet ]]; then
    ! listening "$fleet_port" || fail "port $fleet_port is in use (set FLEET_PORT for another)"
fi

trap stop EXIT
trap 'exit 0' INT
trap 'exit 143' TERM
if [[ -n $fleet ]]; then
    start_fleet
    cat <<TEXT

  lb-controller keeps $backends backends behind lb ($strategy), $((backends < 2 ? backends : 2)) to $((2 * backends)) as the load needs.

  In a browser   http://localhost:$lb_port/100
  The fleet      http://localhost:$fleet_port/
  Dashboard      http://localhost:$admin_port/
  In a terminal  $bin/lb-controller ctl --controller 127.0.0.1:$fleet_port status
  Under load     ./stress_test.sh 3000 30 200   watch it grow; kill a pi-backend, watch it return

  Ctrl-C stops everything.

TEXT
    watch
fi
start_backends
start_lb

cat <<TEXT

  lb ($strategy) serves $backends backends.

  In a browser   http://localhost:$lb_port/100
  Dashboard      ${dashboard:-$(dashboard_link)}
  With curl      curl -i http://localhost:$lb_port/100
  Under load     ./stress_test.sh
$(tls_link)
  Ctrl-C stops everything.

TEXT
watch
