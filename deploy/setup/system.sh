#!/usr/bin/env bash
# Debian packages: installed where that is allowed, otherwise the line to run is printed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. deploy/setup/say.sh

has() { command -v "$1" >/dev/null 2>&1; }
has_postgres() {
    has initdb || [ -x "${POSTGRES_HOME:-/nonexistent}/bin/initdb" ] || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null
}
has_mariadb() { PATH="$PATH:/usr/sbin" command -v mariadbd >/dev/null 2>&1 && has mariadb-install-db && has my_print_defaults; }
has_java() {
    local java=java version
    [ ! -x "${JAVA_HOME:-/nonexistent}/bin/java" ] || java="$JAVA_HOME/bin/java"
    version="$("$java" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p')" || return 1
    [ "${version:-0}" -ge 17 ]
}
has_jars() { [ -n "${KAFKA_HOME:-}" ] || compgen -G 'build/kafka/libs/kafka_2.*.jar' >/dev/null; }
has_venv() { [ -x .venv/bin/python ] || [ -n "$(find_python)" ]; }

missing=()
has_java || missing+=(openjdk-17-jre-headless)
has mvn || has_jars || missing+=(maven)
has_postgres || missing+=(postgresql)
# For the tests only; the programs alone: these packages start no service.
has_mariadb || missing+=(mariadb-server-core mariadb-client-core)
has_venv || missing+=(python3-venv)
[ ${#missing[@]} -gt 0 ] || exit 0

line="apt-get install --no-install-recommends ${missing[*]}"
root=()
if [ "$(id -u)" != 0 ]; then
    line="sudo $line"
    if has sudo && sudo -n true 2>/dev/null; then root=(sudo -n); else has_no_right=1; fi
fi
if [ -n "${has_no_right:-}" ] || ! has apt-get; then
    stop "Missing: ${missing[*]}. Run this line, then again what you ran:
  $line" "缺少：${missing[*]}。请先运行下面一行，然后重新执行：
  $line"
fi

say "Installing ${missing[*]} …" "正在安装 ${missing[*]} …"
log="$(mktemp)"
trap 'rm -f "$log"' EXIT
install() {
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends \
        -o Acquire::Retries=3 install "$@" >>"$log" 2>&1
}
give_up() {
    tail -n 5 "$log" >&2
    stop "That failed; run by hand: $line" "安装失败，请手动运行：$line"
}
# Lists that are too old to install from are the usual reason for a first failure on a fresh machine.
"${root[@]}" apt-get -q -o Acquire::Retries=3 update >>"$log" 2>&1 || give_up
if ! apt-cache show openjdk-17-jre-headless >/dev/null 2>&1; then # later Debians have a later one only
    missing=("${missing[@]/openjdk-17-jre-headless/default-jre-headless}")
fi
if [[ " ${missing[*]} " == *" postgresql "* ]]; then
    # Only the programs are wanted: no cluster of the system is made, nothing listens on its port.
    install postgresql-common || give_up
    conf=/etc/postgresql-common/createcluster.conf
    if ! grep -q '^create_main_cluster' "$conf"; then
        echo 'create_main_cluster = false' | "${root[@]}" tee -a "$conf" >/dev/null
    fi
fi
install "${missing[@]}" || give_up
