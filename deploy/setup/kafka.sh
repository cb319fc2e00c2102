#!/usr/bin/env bash
# Kafka's jars, resolved by Maven from deploy/kafka/pom.xml into build/kafka/libs; again when the pom changes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. deploy/setup/say.sh

[ -z "${KAFKA_HOME:-}" ] || exit 0
stamp=build/kafka/pom.sha256
wanted="$(checksum deploy/kafka/pom.xml)"
have() { compgen -G "build/kafka/libs/$1" >/dev/null; }
if [ "$(cat "$stamp" 2>/dev/null || true)" = "$wanted" ] && have 'kafka_2.*.jar' && have 'jmx_prometheus_javaagent-*.jar'; then
    exit 0
fi

say "Resolving Kafka's jars with Maven (57 MB) …" "正在用 Maven 获取 Kafka 的 jar（57 MB）…"
fresh="$PWD/build/kafka/libs.new"
resolve() {
    rm -rf "$fresh"
    mvn -B -q -ntp -Dstyle.color=never --strict-checksums -f deploy/kafka/pom.xml dependency:copy-dependencies \
        -DoutputDirectory="$fresh" -DincludeScope=runtime | sed -e 's/\x1b\[[0-9;]*m//g' -e '/^$/d'
}
mkdir -p build/kafka
resolve || resolve || stop "Maven could not resolve the jars; try again, or set KAFKA_HOME to an unpacked Kafka 4." \
    "Maven 未能获取 jar；请重试，或将 KAFKA_HOME 指向已解压的 Kafka 4。"
rm -rf build/kafka/libs
mv "$fresh" build/kafka/libs
rm -f "$stamp" # never written through: copies of a checkout may share the file
printf '%s' "$wanted" >"$stamp"
