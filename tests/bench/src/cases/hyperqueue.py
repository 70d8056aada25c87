# Runs a program many times on one worker of a HyperQueue of its own, and prints the milliseconds:
# hyperqueue.py PROGRAM COUNT CORES
import sys
import time

from hyperqueue import Job, LocalCluster
from hyperqueue.cluster import WorkerConfig

program, count, cores = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with LocalCluster() as cluster:
    cluster.start_worker(WorkerConfig(cores=cores))
    client = cluster.client()
    job = Job()
    for _ in range(count):
        job.program([program], stdout=None, stderr=None)
    begun = time.monotonic()
    client.wait_for_jobs([client.submit(job)])
    print((time.monotonic() - begun) * 1e3)
