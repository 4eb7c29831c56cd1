#!/usr/bin/env bash
# What a member of a conference costs: 60 and 300 members, in one room and in rooms of 4, all of them speaking; CPU
# beside that of a C listener that echoes as many calls.
#     test/bench/conference.sh [SECONDS]      from the project's root; needs make, gcc, ss (iproute2)
# The server runs on processor 0, the generator on processor 1; nothing else should run beside them.
set -eu
hold=${1:-12}
here=$(cd "$(dirname "$0")" && pwd); root=$(cd "$here/../.." && pwd)
twistd=${TWISTD:-$root/.venv/bin/twistd}
out=$(mktemp -d); trap 'rm -rf "$out"' EXIT
make -s -C "$here" OUT="$out/bin"; load=$out/bin/sipload
measure() { # measure NAME CALLS PORT PID MEDIA
  taskset -c 1 "$load" --target 127.0.0.1:"$3" --calls "$2" --rate 100 --hold "$hold" --media "$5" --pid "$4" >"$out/json" 2>/dev/null
  python3 -c '
import json, sys
d = json.load(open(sys.argv[2])); m, s = d["media"], d["signalling"]
print("%-24s %.3f ms a member-second, on time %.2f %%, failed %d, lateness p99 %.1f ms" % (
    sys.argv[1], d["server"]["cpu_ms_per_call_second"], m["on_time_pct"], s["failed"], m["spacing_deviation_ms"]["p99"]))' "$1" "$out/json"
}
port=25160
for members in 60 300; do
  port=$((port + 2))
  taskset -c 0 "$load" --listen --local-port $port --media echo --calls $((2 * members)) --max-time $((hold + 20)) >/dev/null 2>&1 & server=$!
  sleep 0.5; measure "$members calls, C listener" $members $port $server echo-check; kill $server; wait $server 2>/dev/null || true
  for room in $members 4; do
    port=$((port + 2))
    (cd "$out" && PYTHONPATH="$here:$root" BENCH_ROOM_SIZE=$room exec taskset -c 0 "$twistd" -n --pidfile= \
      doug --app=benchapps.Member --listen=udp:127.0.0.1:$port >"$out/log" 2>&1) & server=$!
    for _ in $(seq 50); do ss -Hlun "sport = :$port" | grep -q . && break; sleep 0.1; done
    measure "$members in rooms of $room" $members $port $server tone
    kill $server; wait $server 2>/dev/null || true
  done
done
