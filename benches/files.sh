#!/usr/bin/env bash
# What a file costs: CPU time per request, in microseconds and as a ratio to nginx's, on one core each for the servers and
# for who asks. Each round asks one server after the other, so that what else the machine does befalls each alike.
#
#   benches/files.sh             1 KiB, 64 KiB, 1 MiB and 100 MiB, three rounds, over connections that are kept
#   benches/files.sh close       the same with a connection for each request
#   FLAGS=--files-may-block benches/files.sh
#
# It needs nginx, wrk and taskset, and target/release/httpfsm (cargo build --release -p httpfsm-server). ROUNDS and SIZES
# say how often and what.
set -euo pipefail
cd "$(dirname "$0")/.."
program="${CARGO_TARGET_DIR:-$PWD/target}/release/httpfsm"
sizes=${SIZES:-1024 65536 1048576 104857600}
rounds=${ROUNDS:-3}
headers=()
[ "${1:-keep}" != close ] || headers=(-H "Connection: close")
scratch=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; rm -rf "$scratch"' EXIT

mkdir "$scratch/www"
for size in $sizes; do head -c "$size" /dev/urandom >"$scratch/www/$size.bin"; done
chmod -R a+rX "$scratch"

cat >"$scratch/nginx.conf" <<CONF
worker_processes 1;
daemon off;
pid $scratch/nginx.pid;
error_log $scratch/nginx.log;
events { worker_connections 1024; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000000;
  server { listen 127.0.0.1:8701; root $scratch/www; }
}
CONF
taskset -c 0 nginx -c "$scratch/nginx.conf" &
pids+=($!)
port=8702
for transport in tokio blocking; do
  # shellcheck disable=SC2086
  taskset -c 0 "$program" serve "$scratch/www" --transport "$transport" --threads 1 --port "$port" ${FLAGS:-} \
    >/dev/null 2>&1 &
  pids+=($!)
  port=$((port + 1))
done
sleep 2
# nginx works in a child.
working=("$(pgrep -P "${pids[0]}")" "${pids[1]}" "${pids[2]}")
names=(nginx tokio blocking)

# Nanoseconds that the threads of a process have run.
nanoseconds() { cat "/proc/$1/task"/*/schedstat | awk '{ sum += $1 } END { printf "%.0f", sum }'; }

for size in $sizes; do
  for ((round = 1; round <= rounds; round++)); do
    for at in 0 1 2; do
      before=$(nanoseconds "${working[at]}")
      taskset -c 1 wrk -t1 -c8 -d3s "${headers[@]}" "http://127.0.0.1:$((8701 + at))/$size.bin" >"$scratch/wrk"
      spent=$(($(nanoseconds "${working[at]}") - before))
      awk -v size="$size" -v name="${names[at]}" -v spent="$spent" \
        '/requests in/ { print size, name, spent / $1 / 1000 }' "$scratch/wrk"
    done
  done
done | awk '
  { if ($2 == "nginx") nginx = $3; key = $1 " " $2; sum[key] += $3; n[key]++; ratio = $3 / nginx; r[key] += ratio
    if (!(key in low) || ratio < low[key]) low[key] = ratio
    if (ratio > high[key]) high[key] = ratio
    if (n[key] == 1) order[++keys] = key }
  END { for (i = 1; i <= keys; i++) { key = order[i]
    printf "%-20s %10.1f us  %.2f (%.2f to %.2f)\n", key, sum[key] / n[key], r[key] / n[key], low[key], high[key] } }'
