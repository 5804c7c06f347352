#!/usr/bin/env python3
"""worker.py - a consumer: leases jobs, does the work, says how it went.

    worker.py URL QUEUE

URL is where callbackd listens, such as http://127.0.0.1:8080; CALLBACKD_KEY is
the key, where clients are configured. Put your own work into work(). It needs
nothing but Python 3.9. ONCE=1 ends it after its first job.
"""

import base64
import json
import os
import sys
import threading
import time
import urllib.error
import urllib.request

LEASE_S = 60  # a job is held so long at a time
WAIT_S = 20  # a request for a job is held back so long


class Stale(Exception):
    """The job is no longer ours: drop it."""


class Gateway:
    """callbackd, as far as a consumer needs it."""

    def __init__(self, url, key=None):
        self.url = url.rstrip("/")
        self.fields = {"Content-Type": "application/json"}
        if key:
            self.fields["Authorization"] = "Bearer " + key

    def post(self, path, members, tries=5):
        """Sends an object and gives the answer's. What may have found nobody is
        sent again: the gateway may be starting anew."""
        request = urllib.request.Request(
            self.url + path, json.dumps(members).encode(), self.fields
        )
        while True:
            try:
                with urllib.request.urlopen(request, timeout=90) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                problem = error.read().decode(errors="replace")
                if error.code == 409:
                    raise Stale(problem) from None
                if error.code not in (429, 503) or tries <= 1:
                    raise RuntimeError(problem) from None
                time.sleep(int(error.headers.get("Retry-After", 1)))
            except OSError:
                if tries <= 1:
                    raise
                time.sleep(1)
            tries -= 1

    def lease(self, queue):
        """One job, or None when none came within WAIT_S."""
        members = {"max": 1, "wait": WAIT_S, "lease": LEASE_S}
        jobs = self.post(f"/v1/queues/{queue}/lease", members)["jobs"]
        return Job(self, jobs[0]) if jobs else None


class Job:
    """A job that we hold."""

    def __init__(self, gateway, document):
        self.gateway = gateway
        self.document = document
        self.id = document["id"]
        self.is_lost = threading.Event()
        self.is_over = threading.Event()
        request = document["request"]
        if "body_base64" in request:
            self.body = base64.b64decode(request["body_base64"])
        else:
            self.body = request["body"].encode()

    def say(self, action, **members):
        """Raises Stale when the job is no longer ours."""
        members["lease_token"] = self.document["lease_token"]
        return self.gateway.post(f"/v1/jobs/{self.id}/{action}", members)

    def progress(self, share, message=""):
        """Shown to whoever looks at the job; share is 0 to 1."""
        self.say("progress", progress=share, message=message)

    def keep(self):
        """Extends the lease in time, in a thread of its own."""
        while not self.is_over.wait(LEASE_S / 3):
            try:
                self.say("extend", lease=LEASE_S)
            except Exception:  # whatever it was: we can no longer be sure
                self.is_lost.set()
                return

    def run(self, function):
        """Lets function(job) do the work: it gives the result's bytes, and stops
        when job.is_lost is set."""
        keeper = threading.Thread(target=self.keep, daemon=True)
        keeper.start()
        try:
            result = function(self)
            # When its answer is lost and it is sent again, a result that was
            # taken the first time is stale the second time.
            self.say(
                "complete",
                headers={"Content-Type": "application/octet-stream"},
                body_base64=base64.b64encode(result).decode(),
            )
            return "completed"
        except Stale:
            return "lost"
        except Exception as error:
            try:
                self.say("fail", error=f"{type(error).__name__}: {error}")
            except Stale:
                return "lost"
            return f"failed: {error}"
        finally:
            self.is_over.set()
            keeper.join()


def work(job):
    """Your work: here, capital letters."""
    job.progress(0.5, "half of it")
    return job.body.upper()


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    gateway = Gateway(sys.argv[1], os.environ.get("CALLBACKD_KEY"))
    while True:
        job = gateway.lease(sys.argv[2])
        if job is None:
            continue
        print(job.id, job.run(work), flush=True)
        if os.environ.get("ONCE"):
            return


if __name__ == "__main__":
    main()
