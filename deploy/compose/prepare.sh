#!/usr/bin/env bash
# The secrets and settings that deploy/compose/compose.yml needs: what is there already is kept. 生成密钥与 .env，已有的保留。
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
umask 077

random() { head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n'; }
[ $# -eq 2 ] || { echo "usage: prepare.sh NAME-OF-THIS-MACHINE HTTPS-ADDRESS-OF-THE-REGISTRY" >&2; exit 2; }
mkdir -p secrets
for name in postgres.password grafana.password; do
    [ -s "secrets/$name" ] || random >"secrets/$name"
done
if [ ! -s secrets/broker.properties ]; then
    password="$(random)"
    module=org.apache.kafka.common.security.plain.PlainLoginModule
    printf 'jaas=%s required username="broker" password="%s" user_broker="%s";\n' "$module" "$password" "$password" \
        >secrets/broker.properties
fi
[ -e secrets/prometheus.secret ] || : >secrets/prometheus.secret # `exchange system add 440000-jk-prometheus` prints it
[ -s .env ] || printf 'EXCHANGE_ADDRESS=%s\nEXCHANGE_URL=%s\nEXCHANGE_CLUSTER_ID=%s\n' \
    "$1" "$2" "A$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | cut -c2-22)" >.env
if [ "$(id -u)" = 0 ]; then # each is read by one image's user; postgres reads its own as root
    chown 10440 secrets/postgres.password
    chown 1000 secrets/broker.properties
    chown 472 secrets/grafana.password
    chown 65534 secrets/prometheus.secret
    [ ! -e secrets/kafka.pem ] || { chown 1000 secrets/kafka.pem && chmod 400 secrets/kafka.pem; }
    [ ! -e secrets/ca.pem ] || chmod 444 secrets/ca.pem
fi
for name in kafka.pem ca.pem; do
    [ -s "secrets/$name" ] || echo "missing: $PWD/secrets/$name (docs/deploying.md says what goes in)" >&2
done
