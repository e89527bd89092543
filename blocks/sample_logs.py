"""Sample logs, generated from a seed: five days of a small shop, with the flaws of real logs.

They include duplicates within and across objects, user updates that arrive late, visitors who are not logged in,
records of another environment, and a few bad lines.
"""

import csv
import gzip
import io
import json
from datetime import datetime, timedelta
from random import Random

DAYS = 5
USERS = 400
VIEWS_A_DAY = 4_000
_FIRST_DAY = datetime(2017, 4, 15)
_FIRST_NAMES = ("Cheri", "Malik", "Ines", "Jonas", "Aiko", "Tomás", "Zoë", "Priya", "Olu", "Mina")
_LAST_NAMES = ("Honey", "Okafor", "Silva", "Weber", "Tanaka", "Nováková", "Das", "Reyes", "Lind")
_BAD_VIEWS = (
    '{"ts": "2017-04-15T17:09:09", "url": "/products/1/", "environment": "product',
    '{"ts": "15/04/2017 17:09", "url": "/products/2/", "environment": "production", "user_id": 7}',
    '{"ts": "2017-04-15T17:09:09", "url": "", "environment": "production", "user_id": 7}',
    '{"ts": "2017-04-15T17:09:09", "url": "/cart/", "environment": "production", "user_id": 12.5}',
    '{"ts": "2017-04-15T17:09:09", "url": "/cart/", "user_id": 12}',
)


def sample_logs(seed: int = 2017) -> dict[str, bytes]:
    """The objects by key, relative to the logs prefix. The same seed gives the same bytes."""
    random = Random(seed)
    users = [random.randrange(1_000, 9_999) for _ in range(USERS)]
    logs: dict[str, bytes] = {}
    sent_twice: list[str] = []
    for day in range(DAYS):
        start = _FIRST_DAY + timedelta(days=day)
        lines = sorted(_view(random, users, start) for _ in range(VIEWS_A_DAY))
        lines += random.sample(lines, VIEWS_A_DAY // 50)
        lines[:0] = sent_twice
        sent_twice = random.sample(lines, VIEWS_A_DAY // 100)
        for bad in _BAD_VIEWS[: day + 1]:
            lines.insert(random.randrange(len(lines)), bad)
        body = "\n".join(lines).encode() + b"\n"
        name = f"PageViews/{start:%Y/%m/%d}/web-1.jsonl"
        if day % 2:
            logs[f"{name}.gz"] = gzip.compress(body, mtime=0)
        else:
            logs[name] = body
        logs[f"UserUpdates/{start:%Y-%m-%d}.csv"] = _updates(random, users, start, day)
    return logs


def _view(random: Random, users: list[int], start: datetime) -> str:
    view = {
        "ts": (start + timedelta(seconds=random.randrange(86_400))).isoformat(),
        "url": f"/products/{int(random.paretovariate(0.8)) % 1_000}/",
        "environment": "staging" if random.random() < 0.1 else "production",
        "user_id": users[min(int(random.expovariate(1 / 60)), USERS - 1)],
    }
    if random.random() < 0.05:
        del view["user_id"]
    return json.dumps(view)


def _updates(random: Random, users: list[int], start: datetime, day: int) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    # The first day has most users; later days add others, and some updates arrive a day late.
    for user in users[: USERS * 3 // 4] if day == 0 else random.sample(users, USERS // 10):
        late = timedelta(days=random.choice((0, 0, 1)) if day else 0)
        at = start - late + timedelta(seconds=random.randrange(86_400))
        first, last = random.choice(_FIRST_NAMES), random.choice(_LAST_NAMES)
        email = "" if random.random() < 0.03 else f"user{user}.{random.randrange(9)}@example.com"
        environment = "staging" if random.random() < 0.1 else "production"
        writer.writerow([at.isoformat(), user, email, f"{first} {last}", environment])
        if random.random() < 0.02:
            writer.writerow([at.isoformat(), user, email, f"{first} {last}", environment])
    if day == 1:
        text.write('"2017-04-16T00:00:42","12 34","user@example.com","No Number","production"\n')
    return text.getvalue().encode()
