#!/usr/bin/env bash
# A Docker engine of its own, for tests: runs COMMAND beside it in a network namespace, and ends it.
#
#     dockerd.sh FOLDER COMMAND [ARGUMENT ...]
#
# Its root, socket and bridge are its own; it sets no rule of a firewall and reaches no registry.
# FOLDER/engine.sock is its socket. FOLDER/engine stop|start, for COMMAND, ends and starts the
# engine with its containers left running. Needs root, dockerd, containerd, runc and ip.
set -euo pipefail
if [[ ${LB_IN_NAMESPACE:-} != 1 ]]; then
    exec env LB_IN_NAMESPACE=1 unshare --net -- "$0" "$@"
fi
folder=$(realpath "$1")
shift
bridge=lbtest0

# Cheap, and run by the test: ends and starts dockerd.
cat >"$folder/engine" <<SH
#!/usr/bin/env bash
set -euo pipefail
alive() { [[ -f $folder/engine.pid ]] && kill -0 "\$(cat "$folder/engine.pid" 2>/dev/null)" 2>/dev/null; }
case \$1 in
    start)
        dockerd --data-root "$folder/data" --exec-root "$folder/exec" --pidfile "$folder/engine.pid" \\
            --host "unix://$folder/engine.sock" --bridge $bridge --iptables=false --ip6tables=false \\
            --ip-forward=false --ip-masq=false --userland-proxy=false --storage-driver vfs \\
            --containerd "$folder/containerd.sock" --live-restore >>"$folder/engine.log" 2>&1 &
        for ((n = 0; n < 300; n++)); do
            ! curl --silent --fail --output /dev/null --max-time 2 \\
                --unix-socket "$folder/engine.sock" http://docker/_ping || exit 0
            sleep 0.1
        done
        tail -20 "$folder/engine.log" >&2
        exit 1
        ;;
    stop)
        alive || exit 0
        kill "\$(cat "$folder/engine.pid")"
        for ((n = 0; n < 300; n++)); do alive || exit 0; sleep 0.1; done
        exit 1
        ;;
esac
SH
chmod +x "$folder/engine"

ip link set lo up
ip link add $bridge type bridge
ip address add 172.30.77.1/24 dev $bridge
ip link set $bridge up
# Its own, so that containers live on while the engine is stopped.
containerd --root "$folder/containerd" --state "$folder/containerd-state" \
    --address "$folder/containerd.sock" >"$folder/containerd.log" 2>&1 &
containerd=$!

# shellcheck disable=SC2317 # called by the trap
finish() {
    "$folder/engine" stop 2>/dev/null || true
    kill "$containerd" 2>/dev/null || true
    wait "$containerd" 2>/dev/null || true
    local mounted
    mounted=$(awk -v at="$folder" 'index($2, at) == 1 { print $2 }' /proc/mounts | sort -r)
    [[ -z $mounted ]] || xargs umount --lazy <<<"$mounted" || true
}
trap finish EXIT

for ((n = 0; n < 100; n++)); do
    [[ ! -S $folder/containerd.sock ]] || break
    sleep 0.1
done
"$folder/engine" start
"$@"
