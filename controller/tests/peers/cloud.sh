#!/bin/sh
# A cloud for tests, and a pattern for one's own: units are processes, remembered in a folder.
#   cloud.sh launch|list|stop FOLDER FIRST_PORT SERVER
set -eu
verb=$1 folder=$2 port=$3 server=$4
read -r input
# The value of a key of the one flat object on stdin.
value() { printf '%s' "$input" | sed -n "s/.*\"$1\":\"\\([^\"]*\\)\".*/\\1/p"; }
show() {
    pid=$(cat "$1/pid") token=$(basename "$1") state=
    kill -0 "$pid" 2>/dev/null || state=', "ended": "its machine is gone"'
    echo "{\"token\": \"$token\", \"handle\": \"$pid\", \"address\": \"127.0.0.1:$(cat "$1/port")\"$state}"
}
case $verb in
launch)
    token=$(value token)
    # The token names the folder, so a repeat finds what the first call made.
    if mkdir "$folder/$token" 2>/dev/null; then
        for _ in 1 2 3 4 5 6 7 8 9 10; do
            mkdir "$folder/port-$port" 2>/dev/null && break
            port=$((port + 1))
        done
        echo "$port" >"$folder/$token/port"
        setsid "$server" --port "$port" --term-us 0 >/dev/null 2>&1 </dev/null &
        echo $! >"$folder/$token/pid"
    fi
    show "$folder/$token"
    ;;
list)
    for unit in "$folder"/*-*-*-*; do
        [ ! -f "$unit/pid" ] || show "$unit"
    done
    ;;
stop)
    unit=$folder/$(value token)
    if [ -f "$unit/pid" ]; then
        kill "$(cat "$unit/pid")" 2>/dev/null || true
        rmdir "$folder/port-$(cat "$unit/port")"
        rm -r "$unit"
    fi
    echo '{"absent": true}'
    ;;
esac
