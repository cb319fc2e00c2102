"""The Java runtime and Kafka's jars."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from exchange.node.errors import JarsMissing, JavaMissing
from exchange.node.layout import checkout

OLDEST_JAVA = 17
LIBS = Path("build/kafka/libs")
CORE_JAR = "kafka_2.*.jar"
AGENT_JAR = "jmx_prometheus_javaagent-*.jar"
VERSION_TIMEOUT_S = 30


def find_java() -> str:
    """Return the path of ``java``: of JAVA_HOME, else of PATH. Errors: JavaMissing."""
    home = os.environ.get("JAVA_HOME")
    places = [str(Path(home) / "bin")] if home else []
    found = shutil.which("java", path=os.pathsep.join([*places, os.environ.get("PATH", os.defpath)]))
    if not found:
        raise JavaMissing
    return found


def java_version(java: str) -> int:
    """Return the feature release of ``java``, e.g. 17; 0 when it does not say."""
    answer = subprocess.run(  # noqa: S603 - the path was found, not typed
        [java, "-version"], capture_output=True, text=True, timeout=VERSION_TIMEOUT_S, check=False
    )
    found = re.search(r'version "(?:1\.)?(\d+)', answer.stderr)
    return int(found.group(1)) if found else 0


def find_jars(home: Path | None) -> Path:
    """Return the jars' directory: of ``home``, else what ``make setup`` resolved. Errors: JarsMissing."""
    libs = (home / "libs" if home else checkout() / LIBS).resolve()
    if not any(libs.glob(CORE_JAR)):
        raise JarsMissing(place=libs)
    return libs


def find_agent(home: Path | None) -> Path | None:
    """Return the agent that shows a JVM's metrics; a Kafka that was unpacked by hand comes without one."""
    return next(iter(sorted(find_jars(home).glob(AGENT_JAR))), None)
