import os, time
from pathlib import Path
from confluent_kafka import Producer
from exchange.publisher import BATCH_HEADER
from tests.integration.registry.conftest import LoneBroker

def test_finder(broker: LoneBroker, tmp_path: Path) -> None:
    with broker.world(tmp_path) as world:
        assert world.runtime.enforcer.reconcile()
        owner, reader = world.office(), world.office("440600")
        resource = world.resource(owner)
        topic = world.grant(owner, reader, resource)["grant"]["topic"]
        p = Producer({**broker.client(owner.client_id), "compression.type": "lz4", "linger.ms": 20})
        p.poll(0)
        n = 1_000_000
        for i in range(n):
            while True:
                try:
                    p.produce(topic, os.urandom(50) + b"x" * 200, key=b"%018d" % i, headers=[(BATCH_HEADER, b"0" * 16)])
                    break
                except BufferError:
                    p.poll(0.1)
            if i % 1000 == 0: p.poll(0)
        p.flush(60)
        f = world.runtime.finder
        out = []
        for name, key in (("newest", b"%018d" % (n - 1)), ("oldest", b"%018d" % 0), ("none", b"none")):
            t = time.perf_counter(); c = time.process_time()
            found = f.find(topic, key)
            out.append((name, len(found.places), found.whole, round(time.perf_counter() - t, 2), round(time.process_time() - c, 2)))
        Path("/tmp/s/prov_finder.txt").write_text(repr(out) + f" {os.getloadavg()}")
