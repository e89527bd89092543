"""How services other than AWS answer, as reported in public trackers: interceptors for `s3_proxy`, by name."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import cycle
from urllib.parse import unquote

from tests.support.s3_proxy import Answer, Forward, Intercept, Request, error

ITEM = re.compile("<Contents>.*?</Contents>", re.DOTALL)
TOKEN = re.compile("<NextContinuationToken>.*?</NextContinuationToken>")
ETAG = re.compile('<ETag>"(.*?)"</ETag>')
TIME = re.compile("<LastModified>.*?</LastModified>")


def listed(edit: Callable[[str], str], *, small: bool = False) -> Intercept:
    """Edits each page of a listing; small ones contain one key. After the token a or b, the first comes again."""

    def intercept(request: Request, forward: Forward) -> Answer:
        if "list-type" in request.path:
            request.path = re.sub("&continuation-token=[ab](?=&|$)", "", request.path) + "&max-keys=1" * small
            answer = forward()
            assert isinstance(answer.body, bytes)
            answer.body = edit(answer.body.decode()).encode()
            return answer
        return forward()

    return intercept


def tagged(edit: Callable[[str], str]) -> Intercept:
    """Edits the ETags in answers to GET and HEAD; an empty one is removed."""

    def intercept(request: Request, forward: Forward) -> Answer:
        answer = forward()
        if etag := edit(answer.headers.pop("ETag", "")).removesuffix("W/"):
            answer.headers["ETag"] = etag
        return answer

    return intercept


def refused(refuse: Callable[[Request], Answer | None], part: str = "") -> Intercept:
    """Answers some of the requests whose path contains the part."""
    return lambda request, forward: (refuse(request) if part in request.path else None) or forward()


def all_of(*intercepts: Intercept) -> Intercept:
    """Several differences at the same time; the first one sees the answers last."""
    first, *others = intercepts
    if not others:
        return first
    return lambda request, forward: first(request, lambda: all_of(*others)(request, forward) or Answer(500))


def condition(allowed: str, status: int, code: str) -> Intercept:
    """Refuses another form of If-Match."""
    form = re.compile(allowed)
    return refused(lambda r: None if form.fullmatch(r.headers.get("If-Match", "none")) else error(status, code))


def signed_for(region: str, more: str = "") -> Intercept:
    """Refuses requests that are signed for another region."""
    wrong = f"<Error><Code>AuthorizationHeaderMalformed</Code>{more}</Error>".encode()
    return refused(lambda r: None if f"/{region}/" in r.headers["Authorization"] else Answer(400, {}, wrong))


def always(status: int, body: str) -> Intercept:
    """Answers requests for listings with a page of another kind."""
    return refused(lambda _: Answer(status, {"Content-Type": "text/html"}, body.encode()), "list-type")


def empty_page_first(request: Request, forward: Forward) -> Answer:
    """Sends a truncated page without objects first."""
    first, token = "continuation-token=first", "<NextContinuationToken>first</NextContinuationToken>"
    if "list-type" not in request.path or first in request.path:
        request.path = request.path.replace(first, "")
        return forward()
    return Answer(200, {}, f"<List><Name>b</Name><IsTruncated>true</IsTruncated>{token}</List>".encode())


def prefix_ignored(request: Request, forward: Forward) -> Answer:
    """Lists the whole bucket."""
    request.path = request.path.replace("&prefix=", "&ignored=")
    return forward()


def first(*items: str) -> Callable[[str], str]:
    """Puts items, or those of the page before, at the start of a page."""
    before = list(items)

    def edit(page: str) -> str:
        shown = "".join(before)
        before[:] = items or ITEM.findall(page)
        return page.replace("<Name>", f"{shown}<Name>", 1)

    return edit


def token(text: str) -> Callable[[str], str]:
    """Gives these letters as tokens in turn."""
    letters = cycle(text)
    return lambda page: TOKEN.sub(f"<NextContinuationToken>{next(letters)}</NextContinuationToken>", page)


def older(item: str) -> str:
    """An earlier version of a listed item."""
    return TIME.sub("<LastModified>2001-01-01T00:00:00Z</LastModified>", ETAG.sub('<ETag>"0"</ETag>', item))


EXACT: dict[str, Intercept] = {
    "AWS": lambda request, forward: forward(),
    "ETags without quotes: adobe/S3Mock#801": listed(lambda page: ETAG.sub(r"<ETag>\1</ETag>", page)),
    "ETags escaped twice": listed(lambda page: ETAG.sub(r"<ETag>&amp;quot;\1&amp;quot;</ETag>", page)),
    "ETags made weak by a proxy that compresses": tagged(lambda etag: f"W/{etag}"),
    "weak ETags, which never match: RFC 9110": all_of(
        tagged(lambda etag: f"W/{etag}"),
        listed(lambda page: ETAG.sub(r'<ETag>W/"\1"</ETag>', page)),
        condition("none", 412, "PreconditionFailed"),
    ),
    "R2 wants quotes in If-Match: apache/opendal#2226": condition('".*"|none', 400, "InvalidArgument"),
    "Spaces wants none: slatedb/slatedb#1818": condition('[^"]*', 412, "PreconditionFailed"),
    "If-Match is not implemented": condition("none", 501, "NotImplemented"),
    "ETags in other letters": tagged(str.upper),
    "no ETags in answers": tagged(lambda etag: ""),
    "a key twice on a page: rustfs/rustfs#2439": listed(lambda page: ITEM.sub(r"\g<0>\g<0>", page)),
    "a key on two pages: gomods/athens#1793": listed(first(), small=True),
    "an older version is listed after": listed(lambda page: ITEM.sub(lambda item: item[0] + older(item[0]), page)),
    "an older version is listed before": listed(lambda page: ITEM.sub(lambda item: older(item[0]) + item[0], page)),
    "no order": listed(lambda page: first(*ITEM.findall(page)[::-1])(ITEM.sub("", page))),
    "an empty page that is truncated": empty_page_first,
    "a token on the last page: durch/rust-s3#92": listed(
        lambda page: page.replace("<Name>", "<NextContinuationToken>t</NextContinuationToken><Name>")
    ),
    "ListObjects of version 1": listed(lambda page: TOKEN.sub("", page).replace("KeyCount>", "Marker>")),
    "another root: NVIDIA/aistore#201": listed(lambda page: page.replace("ListBucketResult", "ListObjectResult")),
    "keys encoded without saying so: apache/ozone#4127": listed(
        lambda page: page.replace("<EncodingType>url</EncodingType>", "").replace("/", "%2F").replace("<%2F", "</")
    ),
    "keys outside of the prefix": prefix_ignored,
    "folders without ETags": listed(first("<Contents><Key>PageViews/folder/</Key></Contents>")),
    "Garage names its region": signed_for("garage", "<Region>garage</Region>"),
}
"""Everything works, and the table is exact."""

NO_TOKEN = "announces more objects without a new token"
REFUSED: dict[str, tuple[Intercept, str]] = {
    "no ETags in listings: apache/opendal#3478": (listed(lambda page: ETAG.sub("", page)), "an object has no 'ETag'"),
    "empty ETags: NVIDIA/aistore#201": (listed(lambda page: ETAG.sub("<ETag/>", page)), "an object has no 'ETag'"),
    "other ETags in answers: minio/minio#17302": (tagged(lambda etag: '"2000f"'), "lists other keys or ETags than"),
    "no sizes": (listed(lambda page: re.sub("<Size>.*?</Size>", "", page)), "an object has no 'Size'"),
    "no times": (listed(lambda page: TIME.sub("", page)), "an object has no 'LastModified'"),
    "a time of no form": (listed(lambda page: TIME.sub("<LastModified>x</LastModified>", page)), "Invalid timestamp"),
    "more without a token: minio/mc#3067": (listed(lambda page: TOKEN.sub("", page), small=True), NO_TOKEN),
    "the same token: meganz/s4-specs#3": (listed(token("a"), small=True), NO_TOKEN),
    "tokens that take turns": (listed(token("ab"), small=True), NO_TOKEN),
    "raw keys announced as encoded": (listed(unquote), "lists other keys or ETags than"),
    "an empty answer": (always(200, ""), "answers without a listing"),
    "a page of XHTML": (always(200, "<html><body>Sign in</body></html>"), "answers without a listing"),
    "a web console": (always(200, "<!doctype html><br>"), r"HTTP 500.*not of its web console"),
    "a load balancer's 502": (always(502, "<html>Bad Gateway"), r"HTTP 502.*run the same id again later"),
    "a load balancer's 403": (always(403, "<html>Forbidden</html>"), r"HTTP 403.*grant them access"),
    "a load balancer's redirect": (always(301, ""), r"HTTP 301.*AWS_REGION"),
    "Garage does not name its region": (signed_for("garage"), r"AuthorizationHeaderMalformed.*AWS_REGION.*Garage"),
    "R2 throttles": (refused(lambda _: error(429, "TooManyRequests")), r"TooManyRequests.*run the same id again"),
    "R2 without a token": (refused(lambda _: error(401, "Unauthorized")), r"Unauthorized.*valid AWS credentials"),
    "MinIO has no disks": (refused(lambda _: error(503, "SlowDownWrite")), r"SlowDownWrite.*check the service"),
    "Ceph hides missing buckets": (refused(lambda _: error(403, "AccessDenied")), "if it does not exist"),
    "a code of its own": (refused(lambda _: error(418, "XTeapot")), r"XTeapot.*look the code up"),
}
"""The run fails, and the error matches."""
