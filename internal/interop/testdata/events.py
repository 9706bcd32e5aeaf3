"""A client of Server-Sent Events that has only what comes with Python.

It prints what events.mjs prints: python3 events.py URL
"""

import sys
import time
import urllib.request

url = sys.argv[1]
last = ""
retry = 2.0


def tell(*words):
    print(*words, flush=True)


def follow():
    global last, retry
    request = urllib.request.Request(url, headers={"Accept": "text/event-stream"})
    if last:
        request.add_header("Last-Event-ID", last)
    with urllib.request.urlopen(request) as response:
        kind, data, position = "message", [], last
        for line in response:
            line = line.decode().rstrip("\n")
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if line == "":
                if data:
                    last = position
                    text = "\n".join(data)
                    if kind == "message":
                        tell(kind, last, text)
                    else:
                        tell(kind, last if kind == "position" else text)
                kind, data = "message", []
            elif field == "event":
                kind = value
            elif field == "data":
                data.append(value)
            elif field == "id":
                position = value
            elif field == "retry":
                retry = int(value) / 1000


while True:
    try:
        follow()
    except OSError:
        pass
    except Exception as e:  # http.client says in many ways that a response broke off
        if not type(e).__module__.startswith("http"):
            raise
    time.sleep(retry)
