"""What an IAM policy allows of requests to S3, for a proxy before an endpoint without policies."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

Request = tuple[str, str]
"""An IAM action and the resource that it is for (ARN)."""

_OBJECT = {"GET": "GetObject", "HEAD": "GetObject", "PUT": "PutObject", "DELETE": "DeleteObject"}


def asked_for(method: str, path: str) -> Request:
    """The action that AWS asks a policy for, of a request with the bucket in its path.

    Source: "Required permissions for Amazon S3 API operations", Amazon S3 user guide.
    """
    parts = urlsplit(path)
    bucket, _, key = unquote(parts.path).removeprefix("/").partition("/")
    query = parse_qs(parts.query, keep_blank_values=True)
    action = f"{method} {sorted(query)}"
    if key and method == "POST" and {"uploads", "uploadId"} & query.keys():
        action = "PutObject"
    elif key and method == "DELETE" and "uploadId" in query:
        action = "AbortMultipartUpload"
    elif key and query.keys() <= {"uploadId", "partNumber", "x-id"}:
        action = _OBJECT.get(method, action)
    elif not key and method == "GET" and query.get("list-type") == ["2"]:
        action = "ListBucket"
    return f"s3:{action}", f"arn:aws:s3:::{bucket}" + (f"/{key}" if key else "")


@dataclass
class Policy:
    """A policy's JSON, and the requests that it was asked about.

    S3 admits that an object is missing only to those who may list the bucket; `has_key` tells.
    """

    document: dict[str, Any]
    has_key: Callable[[str, str], bool]
    allowed: set[Request] = field(default_factory=set)
    refused: set[Request] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, method: str, path: str) -> str | None:
        """S3's error code, or None to let the request pass (see `s3_proxy`)."""
        request = action, resource = asked_for(method, path)
        right = self._allows(action, resource)
        bucket, _, key = resource.removeprefix("arn:aws:s3:::").partition("/")
        if right and action == "s3:GetObject" and not self.has_key(bucket, key):
            right = self._allows("s3:ListBucket", f"arn:aws:s3:::{bucket}")
        with self._lock:
            (self.allowed if right else self.refused).add(request)
        return None if right else "AccessDenied"

    def _allows(self, action: str, resource: str) -> bool:
        return any(
            action in actions and any(fnmatchcase(resource, one) for one in resources)
            for actions, resources in self.statements()
        )

    def statements(self) -> list[tuple[list[str], list[str]]]:
        """The actions and resources of each statement; anything else in it is an error."""
        found = []
        for statement in self.document["Statement"]:
            assert statement.keys() == {"Effect", "Action", "Resource"}, statement
            assert statement["Effect"] == "Allow"
            found.append((_listed(statement["Action"]), _listed(statement["Resource"])))
        return found

    def drop(self, action: str, bucket: str) -> None:
        """Take one action on one bucket, or on its objects, out of the policy."""
        rest = [
            {"Effect": "Allow", "Action": one, "Resource": resource}
            for actions, resources in self.statements()
            for one in actions
            for resource in resources
            if one != action or resource.removeprefix("arn:aws:s3:::").split("/")[0] != bucket
        ]
        assert len(rest) == sum(len(a) * len(r) for a, r in self.statements()) - 1
        self.document = {"Statement": rest}


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def policy_in(markdown: str) -> str:
    """The one IAM policy that a page shows."""
    [found] = [
        block
        for block in re.findall(r"^```json\n(.*?)^```", markdown, re.DOTALL | re.MULTILINE)
        if "Statement" in json.loads(block)
    ]
    return str(found)
