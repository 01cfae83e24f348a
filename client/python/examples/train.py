#!/usr/bin/env python3
"""Submits a training job and prints its progress until it has ended.

usage: train.py TRAINER SPEC     SPEC is a file in protobuf's text form, as for `s2p train submit`
"""
import sys

import sketch2photo
from sketch2photo.v1 import training_pb2


def main(trainer, path):
    with open(path, encoding="utf-8") as file:
        spec = file.read()
    with sketch2photo.TrainerClient(trainer) as client:
        job = client.submit_job(spec)
        for event in client.watch_job(job.job_id):
            if event.message:
                print(event.message)
            elif event.progress.step == event.progress.steps:
                print("step %d epoch %d of %d" % (event.progress.ihda_step, event.progress.epoch, event.progress.epochs))
        job = client.get_job(job.job_id)
    print("%s, version %d" % (training_pb2.Job.State.Name(job.state), job.published_version))
    return 0 if job.state == training_pb2.Job.STATE_SUCCEEDED else job.reason


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        sys.exit(main(*sys.argv[1:]))
    except (sketch2photo.Error, OSError) as error:
        sys.exit(str(error))
