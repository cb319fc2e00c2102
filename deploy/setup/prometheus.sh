#!/usr/bin/env bash
# Prometheus, promtool and amtool for the tests: Debian's packages, unpacked into build/prometheus. Nothing is installed, no
# service is started, no right is needed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. deploy/setup/say.sh

has() { command -v "$1" >/dev/null 2>&1; }
{ has prometheus && has promtool && has amtool; } && exit 0
{ [ -x build/prometheus/usr/bin/promtool ] && [ -x build/prometheus/usr/bin/amtool ]; } && exit 0
line="apt-get install --no-install-recommends prometheus prometheus-alertmanager"
if ! has apt-get || ! has dpkg-deb; then
    stop "Missing: prometheus, promtool and amtool. Install them, or on Debian run: $line" \
        "缺少 prometheus、promtool 与 amtool。请自行安装，或在 Debian 上运行：$line"
fi
say "Fetching Prometheus and Alertmanager (33 MB) …" "正在获取 Prometheus 与 Alertmanager（33 MB）…"
fresh="$(mktemp -d)"
trap 'rm -rf "$fresh"' EXIT
fetch() { (cd "$fresh" && apt-get -q -o Acquire::Retries=3 download prometheus prometheus-alertmanager) >"$fresh/log" 2>&1; }
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
