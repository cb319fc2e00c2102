#!/usr/bin/env bash
# Sets up what is missing: Debian packages, the virtual environment, Kafka's jars. Quick and offline when nothing is.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=deploy/setup/say.sh
. deploy/setup/say.sh

bash deploy/setup/system.sh
bash deploy/setup/python.sh
bash deploy/setup/kafka.sh
