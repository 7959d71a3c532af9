#!/usr/bin/env bash
# Loads lb with requests for Pi and checks every response. Needs curl; uses httperf where it is.
#
# Two phases, since no tool does both: curl sees each response (value, latency, server);
# httperf keeps one connection per client, and its counts say whether any reply was lost.
set -euo pipefail
export LC_ALL=C

usage() {
    cat <<'TEXT'
Usage: ./stress_test.sh [N] [CONCURRENCY] [MIN_PRECISION]

Sends N requests (100) for the precisions MIN_PRECISION (100), MIN_PRECISION + 1, ... from
CONCURRENCY clients (5) at a time, and reports requests per second, latencies and each backend's
share. Fails if any response is not 200 or not Pi to that precision.

Environment:
  URL      where to send them (http://localhost:8080)
  TIMEOUT  seconds that one request may take (60)
TEXT
}

fail() {
    echo "stress_test.sh: $*" >&2
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
(($# <= 3)) || fail "at most three arguments, not $# (see --help)"
requests=${1:-100}
clients=${2:-5}
first=${3:-100}
url=${URL:-http://localhost:8080}
url=${url%/}
timeout=${TIMEOUT:-60}
# The backends compute at most 100000 terms; curl runs at most 300 transfers at a time.
whole N "$requests" 1 100000
whole CONCURRENCY "$clients" 1 300
whole MIN_PRECISION "$first" 1 $((100001 - requests))
whole TIMEOUT "$timeout" 1 86400
((clients <= requests)) || clients=$requests
last=$((first + requests - 1))
[[ $url =~ ^http://([a-zA-Z0-9.-]+)(:([0-9]+))?$ ]] ||
    fail "URL is of the form http://HOST:PORT, not \"$url\""
host=${BASH_REMATCH[1]}
port=${BASH_REMATCH[3]:-80}

((BASH_VERSINFO[0] >= 5)) || fail "bash 5 is needed for its clock, this is $BASH_VERSION"
command -v curl >/dev/null || fail "curl is missing: apt-get install curl"
curl --silent --output /dev/null --max-time "$timeout" "$url/ping" ||
    fail "nothing answers at $url; start it with ./setup.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Every response is one line: PRECISION STATUS SECONDS SERVER.
format='%{http_code} %{time_total}'

# One curl for all: it keeps its connections. The lines come through stderr, which is unbuffered.
ask_in_parallel() {
    local precision
    for ((precision = first; precision <= last; precision++)); do
        printf 'url = "%s/%s"\noutput = "%s/%s"\n' "$url" "$precision" "$work" "$precision"
    done >"$work/requests"
    curl --silent --no-progress-meter --parallel --parallel-immediate --parallel-max "$clients" \
        --max-time "$timeout" --config "$work/requests" \
        --write-out "%{stderr}%{url_effective} $format %header{x-served-by}\n" 2>&1 >/dev/null |
        sed -nu "s|^$url/||p" || true
}

# One curl for each, for versions that cannot write a header out.
ask_one_by_one() {
    export url work timeout format
    # shellcheck disable=SC2016 # expanded by the inner shell
    seq "$first" "$last" | xargs -P "$clients" -I '{}' bash -c '
        line=$(curl --silent --max-time "$timeout" --dump-header "$work/{}.head" \
            --output "$work/{}" --write-out "$format" "$url/{}")
        server=$(sed -n "s/^x-served-by: *\([^\r]*\)\r*$/\1/ip" "$work/{}.head" 2>/dev/null)
        echo "{} $line $server"' || true
}

# Succeeds if curl is at least 7.84, the first with %header{}.
writes_headers() {
    [[ $(curl --version) =~ ^curl\ ([0-9]+)\.([0-9]+) ]] || return 1
    ((BASH_REMATCH[1] > 7 || (BASH_REMATCH[1] == 7 && BASH_REMATCH[2] >= 84)))
}

# Passes lines on and counts them on stderr: each one on a terminal, else every quarter.
progress() {
    local line done=0
    while IFS= read -r line; do
        printf '%s\n' "$line"
        done=$((done + 1))
        if [[ -t 2 ]]; then
            printf '\r  %d of %d' "$done" "$requests" >&2
        elif ((done * 4 / requests > (done - 1) * 4 / requests)); then
            printf '  %d of %d\n' "$done" "$requests" >&2
        fi
    done
    [[ ! -t 2 ]] || printf '\n' >&2
}

# Adds the body to each line, then judges and counts. Exits with 1 if any response is wrong.
report() {
    local precision rest body
    while read -r precision rest; do
        body=
        [[ ! -f $work/$precision ]] || IFS= read -r -n 40 body <"$work/$precision" || true
        printf '%s\t%s\t%s\n' "$precision" "$rest" "$body"
    done <"$work/answers" | sort -t ' ' -k 2,2n |
        awk -F '\t' -v requests="$requests" -v elapsed="$1" '
            function at(share) { # the latency in ms that this share of answers kept to
                rank = int(share * good); if (rank < share * good) rank++
                return 1000 * seconds[rank < 1 ? 1 : rank]
            }
            function wrong(why) {
                if (++failed <= 5) printf "  wrong: /%s %s\n", $1, why
            }
            {
                split($2, part, " ")
                if (part[1] != 200) { wrong(part[1] == "000" ? "was not answered" : "got " part[1]); next }
                error = $3 - 3.14159265358979
                if (error < 0) error = -error
                # The series is off by less than 1/N, but for rounding.
                if ($3 !~ /^[0-9.]+$/ || error > 1 / $1 + 1e-9) { wrong("got \"" $3 "\""); next }
                seconds[++good] = part[2]
                served[part[3] == "" ? "(nobody said)" : part[3]]++
            }
            END {
                failed += requests - NR
                printf "  %d right, %d wrong in %.2f s: %.1f requests/s\n",
                    good, failed, elapsed, good / elapsed
                if (good) printf "  latency p50 %.1f ms, p90 %.1f ms, p99 %.1f ms, max %.1f ms\n",
                    at(0.5), at(0.9), at(0.99), at(1)
                for (server in served)
                    printf "  %-16s %6d  %5.1f%%\n", server, served[server], 100 * served[server] / good | "sort"
                close("sort")
                exit failed > 0
            }'
}

curl_phase() {
    local started ended ask=ask_one_by_one
    echo "curl: $requests requests, $clients at a time, $url/$first to /$last"
    ! writes_headers || ask=ask_in_parallel
    started=${EPOCHREALTIME/./}
    "$ask" | progress >"$work/answers"
    ended=${EPOCHREALTIME/./}
    report "$(awk "BEGIN { print ($ended - $started) / 1e6 }")"
}

# CONCURRENCY sessions that take turns in the precisions; a session asks one after another.
httperf_phase() {
    local client precision replies errors
    if ! command -v httperf >/dev/null; then
        echo "httperf: not installed (apt-get install httperf), left out"
        return
    fi
    echo "httperf: the same from $clients sessions, each on one connection"
    for ((client = 0; client < clients; client++)); do
        for ((precision = first + client; precision <= last; precision += clients)); do
            echo "/$precision"
        done
        echo
    done >"$work/sessions"
    httperf --hog --server="$host" --port="$port" --wsesslog="$clients,0,$work/sessions" \
        --rate=1000 --timeout="$timeout" >"$work/httperf" 2>"$work/httperf.err" ||
        fail "httperf failed: $(tail -n 1 "$work/httperf.err")"
    sed -n 's/^\(Total\|Request rate\|Reply time\|Reply status\|Errors: total\)/  &/p' "$work/httperf"
    replies=$(sed -n 's/^Reply status:.* 2xx=\([0-9]*\).*/\1/p' "$work/httperf")
    errors=$(sed -n 's/^Errors: total \([0-9]*\).*/\1/p' "$work/httperf")
    if [[ $replies != "$requests" || $errors != 0 ]]; then
        echo "  wrong: ${replies:-no} good replies of $requests, ${errors:-unknown} errors"
        return 1
    fi
}

failed=0
curl_phase || failed=1
httperf_phase || failed=1
((failed == 0)) || fail "some requests failed"
