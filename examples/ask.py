"""Many clients at once on loopback: requests per second of an HTTP server, and the 99th percentile of their times.

python ask.py http://127.0.0.1:8000/predict '{"rows": [[0.1, 0.2, 0.3, 0.4]]}'
"""

import asyncio
import socket
import subprocess
import sys
import time
from urllib.parse import urlsplit

CLIENTS = 16


async def _client(address, request, number, answers, seconds):
    """One connection that asks again as soon as it has its answer."""
    reader, writer = await asyncio.open_connection(*address)
    for _ in range(number):
        start = time.perf_counter()
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length:")[1].split("\r\n")[0])
        answers.append((head.split()[1], await reader.readexactly(length)))
        seconds.append(time.perf_counter() - start)
    writer.close()


def ask(url, body, requests=2000, clients=CLIENTS):
    """The bodies of all answers, requests per second, and the 99th percentile of their times in seconds."""
    parts = urlsplit(url)
    body = body.encode() if isinstance(body, str) else body
    head = f"POST {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    answers, seconds = [], []

    async def all_clients():
        address = parts.hostname, parts.port
        await asyncio.gather(
            *(_client(address, request, requests // clients, answers, seconds) for _ in range(clients))
        )

    start = time.perf_counter()
    asyncio.run(all_clients())
    rate = len(seconds) / (time.perf_counter() - start)
    failed = [answer for status, answer in answers if status != "200"]
    if failed:
        raise RuntimeError(f"{len(failed)} of {len(answers)} requests failed: {failed[0]}")
    return [answer for _, answer in answers], rate, sorted(seconds)[len(seconds) * 99 // 100]


def started(command, **options):
    """A server, as soon as it takes connections, and its address; "{port}" in the command is a free port's number."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", *(word.replace("{port}", str(port)) for word in command)], **options
    )
    while server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return server, f"http://127.0.0.1:{port}"
        except ConnectionRefusedError:
            time.sleep(0.05)
    raise RuntimeError(f"the server ended with {server.returncode}")


if __name__ == "__main__":
    _, rate, most = ask(sys.argv[1], sys.argv[2])
    print(f"{rate:.0f} requests/s, p99 {most * 1000:.1f} ms")
