#!/usr/bin/env bash
# Prometheus, promtool, amtool and node_exporter for the tests: Debian's packages, unpacked into build/prometheus. Nothing
# is installed, no service is started, no right is needed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. deploy/setup/say.sh

has() { command -v "$1" >/dev/null 2>&1; }
programs="prometheus promtool amtool prometheus-node-exporter"
found=0
for program in $programs; do
    if has "$program" || [ -x "build/prometheus/usr/bin/$program" ]; then found=$((found + 1)); fi
done
[ "$found" != 4 ] || exit 0
packages="prometheus prometheus-alertmanager prometheus-node-exporter"
line="apt-get install --no-install-recommends $packages"
if ! has apt-get || ! has dpkg-deb; then
    stop "Missing: $programs. Install them, or on Debian run: $line" "缺少 $programs。请自行安装，或在 Debian 上运行：$line"
fi
say "Fetching Prometheus and Alertmanager (37 MB) …" "正在获取 Prometheus 与 Alertmanager（37 MB）…"
fresh="$(mktemp -d)"
trap 'rm -rf "$fresh"' EXIT
fetch() { (cd "$fresh" && apt-get -q -o Acquire::Retries=3 download $packages) >"$fresh/log" 2>&1; }
if ! fetch; then # without lists, or with old ones
    if [ "$(id -u)" = 0 ]; then apt-get -q update >/dev/null 2>&1 || true; else sudo -n apt-get -q update >/dev/null 2>&1 || true; fi
    if ! fetch; then
        tail -n 5 "$fresh/log" >&2
        stop "Prometheus could not be fetched; run by hand: $line" "Prometheus 获取失败，请手动运行：$line"
    fi
fi
mkdir -p build/prometheus.new
for package in "$fresh"/*.deb; do dpkg-deb -x "$package" build/prometheus.new; done
rm -rf build/prometheus
mv build/prometheus.new build/prometheus
